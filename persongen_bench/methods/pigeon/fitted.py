"""What a fit leaves, and the files that hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from persongen_bench.core.errors import RunError

WEIGHTS, CARD = "pigeon.safetensors", "pigeon.json"


@dataclass(frozen=True)
class Fitted:
    """Weights, the chosen ratio, and the record of the fit."""

    lora: Mapping[str, Tensor]
    """As peft names it."""
    parts: Mapping[str, Tensor]
    """Mask generator and adapter."""
    features: Mapping[str, Tensor]
    """What the visual features know of the training catalogue."""
    ratio: float
    """Reference mask ratio that the validation windows chose."""
    record: Mapping[str, Any]
    """JSON: looks of both stages, pairs that were skipped, the table of ratios."""

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        groups = {"lora": self.lora, "parts": self.parts, "features": self.features}
        tensors = {
            f"{group}/{name}": value.detach().cpu().contiguous()
            for group, values in groups.items()
            for name, value in values.items()
        }
        save_file(tensors, folder / WEIGHTS)
        card = {"ratio": self.ratio, "record": self.record}
        (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Fitted:
        """Read what `save` wrote; `RunError` where files are missing or damaged."""
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            tensors = load_file(folder / WEIGHTS)
            groups: dict[str, dict[str, Tensor]] = {"lora": {}, "parts": {}, "features": {}}
            for name, value in tensors.items():
                group, _, rest = name.partition("/")
                groups[group][rest] = value
            return cls(**groups, ratio=float(card["ratio"]), record=dict(card["record"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise RunError(f"{folder}: no saved pigeon ({error})", fix="Fit it again.") from None
