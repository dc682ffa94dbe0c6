"""Catalogue images as the denoiser sees them; each goes through the autoencoder once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image as PilImage
from torch import Tensor

from persongen_bench.core import images
from persongen_bench.core.progress import Progress
from persongen_bench.core.scaling import middle
from persongen_bench.core.types import Catalog, Image
from persongen_bench.methods.finetune.pipeline import Denoiser
from persongen_bench.util.batching import blocks, map_rows
from persongen_bench.util.opening import opened_items

ROWS = 8
"""Images per call of the autoencoder; fixed, so that no image depends on its neighbours."""
CHUNK = 64
"""Images prepared at a time; bounds memory, does not change a value."""


class Latents:
    """Posteriors of the autoencoder by item, in main memory, in the pipeline's precision."""

    def __init__(self, denoiser: Denoiser, catalog: Catalog, *, flips: bool) -> None:
        self._denoiser, self._catalog, self._flips = denoiser, catalog, flips
        self._known: dict[str, Tensor] = {}

    def encode(self, item_ids: Sequence[str], progress: Progress) -> None:
        """Encode the items that are not yet known."""
        wanted = [item for item in dict.fromkeys(item_ids) if item not in self._known]
        parts = [wanted[part] for part in blocks(len(wanted), CHUNK)]
        for ids in progress(parts, "encode liked images", len(parts)):
            squares = (prepared(i, self._denoiser.size) for i in self._open(ids))
            pixels = np.stack(list(squares))
            views = [pixels, pixels[..., ::-1].copy()] if self._flips else [pixels]
            encoded = torch.stack([posteriors(self._denoiser.pipeline, v) for v in views], dim=1)
            self._known.update(zip(ids, encoded, strict=True))

    def draw(self, item_ids: Sequence[str], flipped: Tensor, noise: Tensor | None) -> Tensor:
        """float32 ``(b, c, h, w)`` latents, scaled as the denoiser wants them.

        ``flipped``: bool ``(b,)``; ``noise``: ``(b, c, h, w)`` draws from the posteriors with it,
        None takes their means.
        """
        rows = [self._known[i][int(f)] for i, f in zip(item_ids, flipped, strict=True)]
        device = self._denoiser.device
        posterior = DiagonalGaussianDistribution(torch.stack(rows).to(device, torch.float32))
        drawn = posterior.mean if noise is None else posterior.mean + posterior.std * noise
        scaled: Tensor = drawn * self._denoiser.pipeline.vae.config.scaling_factor
        return scaled

    @property
    def shape(self) -> tuple[int, ...]:
        """``(c, h, w)`` of one image's latents."""
        first = next(iter(self._known.values()))[0]
        return (first.shape[0] // 2, *first.shape[1:])

    def _open(self, item_ids: Sequence[str]) -> Iterable[Image]:
        parts = opened_items(self._catalog, item_ids, CHUNK)
        return chain.from_iterable(images for _, images in parts)


def prepared(image: Image, size: int) -> np.ndarray:
    """uint8 ``(3, h, w)`` => uint8 ``(3, size, size)``: scaled to the shorter side, centre cut."""
    height, width = images.check(image).shape[1:]
    factor = size / min(height, width)
    shape = (max(size, round(width * factor)), max(size, round(height * factor)))
    return middle(image, shape, size, PilImage.Resampling.BILINEAR)


@torch.no_grad()
def posteriors(pipeline: Any, pixels: np.ndarray) -> Tensor:  # noqa: ANN401  # diffusers
    """uint8 ``(n, 3, s, s)`` => ``(n, 2c, h, w)``: mean and log-variance, on the CPU."""
    vae = pipeline.vae
    kept = vae.dtype

    def encode(rows: np.ndarray) -> np.ndarray:
        inputs = torch.tensor(rows).to(vae.device, vae.dtype) / 127.5 - 1.0
        distribution = vae.encode(inputs).latent_dist
        return np.asarray(distribution.parameters.float().cpu())

    with _full_precision(vae):
        return torch.from_numpy(map_rows(encode, pixels, ROWS)).to(kept)


@contextmanager
def _full_precision(vae: Any) -> Iterator[None]:  # noqa: ANN401  # a diffusers model
    """Where the autoencoder overflows in half precision (SDXL), it works in float32 meanwhile."""
    kept = vae.dtype
    if not vae.config.force_upcast or kept != torch.float16:
        yield
        return
    try:
        vae.to(torch.float32)
        yield
    finally:
        vae.to(kept)
