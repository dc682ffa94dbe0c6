"""The resumable state of a fit: one file, replaced atomically."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from persongen_bench.core.errors import RunError

FILE = "fit.pt"


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill at any instant leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"{FILE}.tmp"
    with scratch.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(folder / FILE)


def read(folder: Path | None, identity: str) -> dict[str, Any] | None:
    """The checkpoint of the fit called ``identity``; None where there is none, or another fit's."""
    if folder is None or not (folder / FILE).exists():
        return None
    try:
        state: dict[str, Any] = torch.load(folder / FILE, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise RunError(
            f"{folder / FILE}: not a readable checkpoint ({error})",
            fix="Delete it; the fit starts over.",
        ) from None
    return state if state.get("identity") == identity else None
