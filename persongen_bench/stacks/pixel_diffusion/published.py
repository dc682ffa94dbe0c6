"""How the published model of pixels draws: as its own pipeline does by default."""

from __future__ import annotations

from pathlib import Path

import torch

from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.pixel_diffusion.decoder import PixelDecoder
from persongen_bench.stacks.pixel_diffusion.opening import open_if, sha256_of
from persongen_bench.stacks.pixel_diffusion.place import REPOSITORY

STEPS, GUIDANCE = 100, 7.0
"""Defaults of `IFPipeline`; GLIDE's guidance is 3 (preset ``paper`` of the method)."""
ROWS = {"cpu": 1, "cuda": 8}
"""Pictures per network call by type of device."""


def open_published(folder: Path, device: torch.device) -> PixelDecoder:
    """The model in ``folder``, drawn by its own scheduler; float16 on a GPU, float32 on a CPU."""
    settings = DiffusionSettings(
        sampler="stock", n_inference_steps=STEPS, guidance_scale=GUIDANCE,
        rows=ROWS.get(device.type, 1), device=str(device),
    )  # fmt: skip
    fix = f"Fetch {REPOSITORY} again into that folder."
    pipeline = open_if(folder, settings.torch_dtype(), fix)
    return PixelDecoder(pipeline, settings, sha256_of(folder))
