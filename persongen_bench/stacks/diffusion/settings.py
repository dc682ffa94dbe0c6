"""How a diffusion decoder draws: sampler, steps, guidance, precision, device."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, FiniteFloat, PositiveInt

from persongen_bench.core.config import Config
from persongen_bench.core.roles import DrawOptions

Sampler = Literal["dpm", "ddim", "euler", "ddpm", "stock"]


class DiffusionSettings(Config):
    """Defaults of a `DiffusionDecoder`; every field but ``device`` is part of its signature."""

    sampler: Sampler = "dpm"
    """``stock``: the scheduler in the pipeline's folder."""
    n_inference_steps: PositiveInt = 20
    """Denoising steps."""
    guidance_scale: FiniteFloat = 5.0
    """Classifier-free guidance (REBECA appendix: 5); 1 or less: off."""
    image_scale: FiniteFloat = 1.0
    """Strength of the IP-Adapter; its authors advise 1 with empty words, about 0.5 with words."""
    rows: PositiveInt = 8
    """Pictures per network call, short blocks padded; fixed, so that no picture depends on
    its neighbours (`persongen_bench.util.batching`)."""
    size: PositiveInt | None = Field(default=None, multiple_of=8)
    """Pixels per side; None: what the denoiser was trained for."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """``auto``: float16 on a GPU, float32 on a CPU."""
    device: str = "auto"
    """``auto``: the first GPU, where there is one."""

    def torch_device(self) -> torch.device:
        """The device that ``device`` names."""
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(automatic if self.device == "auto" else self.device)

    def torch_dtype(self) -> torch.dtype:
        """The precision that ``dtype`` names on this device."""
        automatic = "float32" if self.torch_device().type == "cpu" else "float16"
        dtype: torch.dtype = getattr(torch, automatic if self.dtype == "auto" else self.dtype)
        return dtype

    def resolve(self, options: DrawOptions) -> DiffusionSettings:
        """These settings with what ``options`` overrides; a bad value is a pydantic error."""
        asked = {
            "guidance_scale": options.guidance_scale,
            "n_inference_steps": options.n_inference_steps,
            "image_scale": options.image_scale,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return DiffusionSettings(**{**self.model_dump(), **given}) if given else self
