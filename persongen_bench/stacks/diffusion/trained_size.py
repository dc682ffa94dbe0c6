"""The size of the pictures that a pipeline was trained on, from its configuration alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def trained_size(pipeline: Path) -> int:
    """Pixels per side: the denoiser's sample times what the autoencoder shrinks by.

    ``pipeline``: a folder in the layout of diffusers.
    """
    sample: int = _config(pipeline / "unet")["sample_size"]
    n_levels = len(_config(pipeline / "vae")["block_out_channels"])
    return int(sample * 2 ** (n_levels - 1))


def _config(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return read
