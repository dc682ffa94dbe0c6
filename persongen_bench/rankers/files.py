"""Rankers as files: one safetensors file holds the data, the weights and the settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from persongen_bench.core.errors import DataError
from persongen_bench.rankers.ranker import Ranker, RankingData

R = TypeVar("R", bound=Ranker)
_COLUMNS = ("user", "item", "liked", "visual", "text")


def save(ranker: Ranker, path: Path) -> None:
    """Write a fitted ranker with the data it was fitted on."""
    data = ranker.data
    columns = {f"data.{name}": getattr(data, name) for name in _COLUMNS}
    arrays = {name: column for name, column in columns.items() if column is not None}
    arrays |= {f"weights.{name}": value for name, value in ranker.weights().items()}
    said = {"users": data.users, "items": data.items, "config": ranker.config.model_dump()}
    metadata = {name: json.dumps(value) for name, value in said.items()}
    metadata["version"] = str(ranker.version)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path, metadata)


def load(kind: type[R], path: Path) -> R:
    """Read a ranker that `save` wrote; `DataError` where the file is another's or damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            said = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a ranker ({error})", fix="Fit it anew.") from error
    if said.get("version") != str(kind.version):
        raise DataError(f"{path}: not a ranker of this version", fix="Fit it anew.")
    columns = {name: arrays.get(f"data.{name}") for name in _COLUMNS}
    users, items = (tuple(json.loads(said[name])) for name in ("users", "items"))
    ranker = kind(kind.Config.model_validate_json(said["config"]))  # type: ignore[call-arg]
    weights = {k.removeprefix("weights."): v for k, v in arrays.items() if k.startswith("weights.")}
    ranker.restore(RankingData(users, items, **columns), weights)  # type: ignore[arg-type]
    return ranker
