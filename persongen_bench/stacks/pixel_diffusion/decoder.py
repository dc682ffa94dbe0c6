"""Draws texts with an `IFPipeline`: diffusion over pixels, with classifier-free guidance.

Picture i is a function of text i and seed i alone: its noise comes from a generator of its own on
the CPU, and every network call has the same number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.roles import DrawOptions
from persongen_bench.core.types import Image
from persongen_bench.stacks.diffusion.drawing import prepare, signature, to_images
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.quiet import quiet
from persongen_bench.util.batching import blocks


class PixelDecoder:
    """A pipeline as a `TextToImage`, without safety checker, watermark and progress bar.

    A denoiser of ``3 p^2`` channels reads p x p patches. The pipeline is moved to the device of
    ``settings`` and keeps its precision, which the signature gives; ``weights`` names its weights
    there, as ``sha256:...``. Of ``settings`` sampler, steps, guidance, rows and device count.
    """

    def __init__(self, pipeline: Any, settings: DiffusionSettings, weights: str) -> None:  # noqa: ANN401
        self._settings, self._weights = settings, weights
        with quiet():
            self._pipeline = pipeline.to(settings.torch_device())
            prepare(self._pipeline, settings)
        self._patch = isqrt(pipeline.unet.config.in_channels // 3)

    @property
    def pipeline(self) -> Any:  # noqa: ANN401  # a diffusers IFPipeline
        """The pipeline behind it."""
        return self._pipeline

    @property
    def size(self) -> int:
        """Pixels per side of a picture."""
        side: int = self._pipeline.unet.config.sample_size * self._patch
        return side

    @property
    def signature(self) -> str:
        """Classes, weights and every setting that changes a pixel."""
        own = self._settings
        parts = {
            "out": f"u8-{self.size}x{self.size}-unresized",
            "sampler": f"{own.sampler}:{type(self._pipeline.scheduler).__name__}",
            "steps": own.n_inference_steps,
            "guidance": own.guidance_scale,
            "rows": own.rows,
            "dtype": str(self._pipeline.unet.dtype).removeprefix("torch."),
            "safety-checker": "off",
            "weights": self._weights,
            "impl": 1,
        }
        return signature("pixel-decoder", self._pipeline, parts)

    def draw(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As many images, uint8 RGB ``(3, size, size)``, as texts and seeds in [0, 2^64).

        Raises `ValueError` for other numbers of the two, for options out of range, and where the
        network overflows.
        """
        if len(texts) != len(seeds):
            raise ValueError(f"{len(texts)} texts, but {len(seeds)} seeds")
        settings = self._settings.resolve(options)
        images: list[Image] = []
        for block in blocks(len(texts), settings.rows):
            pixels = self._call(texts[block], seeds[block], settings)
            images += to_images(pixels, range(len(texts))[block], low=-1.0)
        return images

    def _call(
        self, texts: Sequence[str], seeds: Sequence[int], settings: DiffusionSettings
    ) -> Float[Tensor, "n 3 h w"]:
        """One run of the pipeline on at most ``settings.rows`` texts; pixels in [-1, 1]."""
        padding = settings.rows - len(texts)
        padded = [*seeds, *[seeds[-1]] * padding]
        with quiet():
            drawn = self._pipeline(
                [*texts, *[texts[-1]] * padding],
                generator=[torch.Generator().manual_seed(int(seed)) for seed in padded],
                guidance_scale=settings.guidance_scale,
                num_inference_steps=settings.n_inference_steps,
                output_type="pt",
                clean_caption=False,
                return_dict=False,
            )[0]
        pixels: Tensor = F.pixel_shuffle(drawn[: len(texts)], self._patch)
        return pixels
