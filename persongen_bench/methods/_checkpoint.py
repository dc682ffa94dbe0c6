"""The resumable state of a fit: one file, replaced atomically."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from persongen_bench.util.files import write_atomic
from persongen_bench.util.sealed import framed, said_bad, unframed

FILE = "fit.pt"


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill at any instant leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(folder / FILE, framed(buffer.getvalue()))


def read(folder: Path | None, identity: str) -> dict[str, Any] | None:
    """The checkpoint of the fit called ``identity``; None where there is none, or another fit's.

    A damaged one gets a notice, and the fit starts over.
    """
    if folder is None:
        return None
    try:
        data = (folder / FILE).read_bytes()
        state: dict[str, Any] = torch.load(io.BytesIO(unframed(data)), weights_only=True)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        said_bad(folder / FILE, " ".join(str(error).split())[:200])
        return None
    return state if state.get("identity") == identity else None
