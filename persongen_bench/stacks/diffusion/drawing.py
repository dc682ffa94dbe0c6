"""What every decoder with a diffusers pipeline does alike: sampler, name, pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
)
from jaxtyping import Float, UInt8
from torch import Tensor

from persongen_bench.stacks.diffusion.settings import DiffusionSettings

SAMPLERS: dict[str, Any] = {
    "dpm": DPMSolverMultistepScheduler,
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "ddpm": DDPMScheduler,
}
"""DPM-Solver++ (2M), DDIM without noise, Euler, and the ancestral sampler of DDPM."""


def prepare(pipeline: Any, settings: DiffusionSettings) -> None:  # noqa: ANN401  # any pipeline
    """Put in the sampler of the settings, and no progress bar."""
    if settings.sampler != "stock":
        stock = pipeline.scheduler.config
        pipeline.scheduler = SAMPLERS[settings.sampler].from_config(stock)
    pipeline.set_progress_bar_config(disable=True)


def signature(kind: str, pipeline: Any, parts: Mapping[str, object]) -> str:  # noqa: ANN401
    """``kind|class of the pipeline|key:value|...``, in the order of ``parts``."""
    named = "|".join(f"{key}:{value}" for key, value in parts.items())
    return f"{kind}|{type(pipeline).__name__}|{named}"


def to_images(
    pixels: Float[Tensor, "n 3 h w"], places: Sequence[int], low: float = 0.0
) -> list[UInt8[np.ndarray, "3 h w"]]:
    """[low, 1] floats to uint8; raises `ValueError` where the network overflowed.

    ``places``: what the pictures are called where one did.
    """
    finite = torch.isfinite(pixels).flatten(1).all(dim=1)
    if not bool(finite.all()):
        place = places[int(torch.argmin(finite.int()))]
        raise ValueError(
            f"picture {place} came out as NaN or infinity in {pixels.dtype}; "
            "draw in bfloat16 or float32"
        )
    levels = pixels.float().sub(low).mul(255 / (1 - low)).round().clamp(0, 255)
    return list(levels.to(torch.uint8).contiguous().cpu().numpy())
