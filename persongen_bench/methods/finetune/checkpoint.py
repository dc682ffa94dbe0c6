"""The state of a training that is under way: one file, replaced atomically."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from persongen_bench.errors import RunError

FILE = "training.pt"


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill at any instant leaves the old one or the new one."""
    scratch = folder / f"{FILE}.tmp"
    with scratch.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(folder / FILE)


def read(folder: Path | None, identity: str) -> dict[str, Any] | None:
    """The checkpoint of the training called ``identity``; None: there is none, or another's."""
    if folder is None or not (folder / FILE).exists():
        return None
    try:
        state: dict[str, Any] = torch.load(folder / FILE, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise RunError(
            f"{folder / FILE}: not a readable checkpoint ({error})",
            fix="Delete it; this training starts over.",
        ) from None
    return state if state.get("identity") == identity else None
