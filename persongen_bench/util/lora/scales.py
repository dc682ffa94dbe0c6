"""By what a layer's ``up @ down`` is multiplied, and where files say it.

kohya writes ``alpha`` beside every layer; peft in ``adapter_config.json``; diffusers (0.34 and
later) peft's settings in the file's metadata, and the files of this package their own entry. The
multiplier is ``alpha / rank``, with ``use_rslora`` ``alpha / sqrt(rank)``; 1 where nobody says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persongen_bench.core.errors import DataError

_NAME = re.compile(r"[\w.]+$")
_DIFFUSERS, _OWN, _STORED = "lora_adapter_metadata", "adapter", "persongen_bench"


@dataclass(frozen=True)
class Scales:
    """What a file, or what lies beside it, says of multipliers."""

    alpha: float | None = None
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    """Name, or end of a name, of a layer => alpha."""
    root: bool = False
    """Divide by the square root of the rank."""

    @classmethod
    def of(cls, metadata: Mapping[str, str], config: Mapping[str, Any] | None = None) -> Scales:
        """From a file's metadata and peft's configuration beside it; `DataError` for DoRA."""
        if config is None:
            config = _told(metadata)
        if config.get("use_dora"):
            raise DataError("its settings say use_dora: DoRA is no plain LoRA")
        alpha = config.get("lora_alpha", config.get("alpha"))
        pattern = config.get("alpha_pattern") or {}
        if not isinstance(pattern, Mapping):
            raise DataError(f"its settings have an alpha_pattern of {pattern!r}")
        numbers = [*pattern.values(), *([] if alpha is None else [alpha])]
        if not all(map(_is_number, numbers)):
            raise DataError(f"its settings have an alpha of {numbers!r}, expected numbers")
        unclear = [name for name in pattern if not _NAME.match(name)]
        if unclear:
            raise DataError(f"its settings give alpha by the expression {unclear[0]!r}, not a name")
        return cls(alpha, pattern, bool(config.get("use_rslora")))

    @property
    def said(self) -> bool:
        """Whether anybody said something."""
        return self.alpha is not None or bool(self.alpha_pattern)

    def of_layer(self, path: str, rank: int, own: float | None) -> float:
        """The multiplier of a layer; its own alpha counts before that of the whole file."""
        alpha = own if own is not None else self._of_file(path)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.root else rank)

    def _of_file(self, path: str) -> float | None:
        for name, alpha in self.alpha_pattern.items():
            if path == name or path.endswith(f".{name}"):
                return alpha
        return self.alpha


def _told(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Settings in the metadata, with the names of peft's configuration."""
    try:
        if _DIFFUSERS in metadata:
            said = json.loads(metadata[_DIFFUSERS])
            return {k.removeprefix("unet."): v for k, v in said.items() if k.startswith("unet.")}
        for entry in (_OWN, _STORED):
            if entry in metadata:
                return {"alpha": json.loads(metadata[entry]).get("alpha")}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"its metadata cannot be read ({error})") from None
    return {}


def _is_number(value: object) -> bool:
    sound = isinstance(value, int | float) and not isinstance(value, bool)
    return sound and math.isfinite(float(value)) and value != 0  # type: ignore[arg-type]  # checked
