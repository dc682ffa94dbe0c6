"""The role ``decoder``: a Stable Diffusion pipeline that draws many conditions in one batch.

Picture i is a function of condition i and seed i alone: its noise comes from a generator of its
own on the CPU, every network call has the same number of rows, and image prompts stay with their
row (`persongen_bench.stacks.diffusion.pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from persongen_bench.core.roles import Adapter, Condition, DrawOptions
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.diffusion.adapters import AdapterSlot
from persongen_bench.stacks.diffusion.drawing import prepare, signature, to_images
from persongen_bench.stacks.diffusion.rows import Row, RowShape
from persongen_bench.stacks.diffusion.settings import DiffusionSettings
from persongen_bench.stacks.quiet import quiet
from persongen_bench.util.batching import blocks


class DiffusionDecoder:
    """A pipeline as a `PromptDecoder`, without safety checker and without a progress bar.

    The pipeline is moved to the device and the precision of ``settings``. ``weights`` names its
    weights in the signature, as ``sha256:...``.
    """

    def __init__(
        self,
        pipeline: Any,  # noqa: ANN401  # a RowwisePipeline or RowwiseXLPipeline
        settings: DiffusionSettings,
        weights: str,
    ) -> None:
        self._settings = settings
        self._device, self._dtype = settings.torch_device(), settings.torch_dtype()
        with quiet():
            self._pipeline = pipeline.to(self._device, self._dtype)
            prepare(self._pipeline, settings)
        self._slot = AdapterSlot(self._pipeline)
        self._weights = weights

    @property
    def pipeline(self) -> Any:  # noqa: ANN401  # a diffusers pipeline
        """The pipeline behind it, for methods that train; they leave it as it was."""
        return self._pipeline

    @property
    def size(self) -> int:
        """Pixels per side of a picture."""
        trained: int = self._pipeline.unet.config.sample_size * self._pipeline.vae_scale_factor
        return self._settings.size or trained

    @property
    def embedding_size(self) -> int | None:
        """Dimensions of an image prompt; None: the pipeline has no IP-Adapter."""
        projection = self._pipeline.unet.encoder_hid_proj
        if projection is None:
            return None
        size: int = projection.image_projection_layers[0].image_embeds.in_features
        return size

    @property
    def signature(self) -> str:
        """Classes, weights and every setting that changes a pixel."""
        own = self._settings
        parts = {
            "out": f"u8-{self.size}x{self.size}-unresized",
            "sampler": f"{own.sampler}:{type(self._pipeline.scheduler).__name__}",
            "steps": own.n_inference_steps,
            "guidance": own.guidance_scale,
            "image-scale": own.image_scale,
            "rows": own.rows,
            "dtype": str(self._dtype).removeprefix("torch."),
            "safety-checker": "off",
            "weights": self._weights,
            "impl": 1,
        }
        return signature("diffusion-decoder", self._pipeline, parts)

    def decode(self, embeddings: Embeddings, seeds: Sequence[int]) -> list[Image]:
        """`draw` with one image prompt each and empty words.

        float ``(n, embedding_size)`` and n seeds => n images uint8 RGB ``(3, size, size)``.
        """
        rows = np.asarray(embeddings, dtype=np.float32)
        if rows.ndim != 2:
            raise ValueError(f"expected embeddings (n, {self.embedding_size}), found {rows.shape}")
        return self.draw([Condition(images=row[None]) for row in rows], seeds)

    def draw(
        self,
        conditions: Sequence[Condition],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As many images, uint8 RGB ``(3, size, size)``, as conditions and seeds in [0, 2^64).

        Raises `ValueError` for a wrong shape, a NaN, or options out of range, and `ConfigError`
        for what the pipeline lacks: an IP-Adapter for image prompts, or drawing from states.
        """
        if len(conditions) != len(seeds):
            raise ValueError(f"{len(conditions)} conditions, but {len(seeds)} seeds")
        settings = self._settings.resolve(options)
        shape = RowShape.of(self._pipeline, self.embedding_size)
        asked = enumerate(zip(conditions, seeds, strict=True))
        rows = [shape.row(place, condition, seed) for place, (condition, seed) in asked]
        drawn: dict[int, Image] = {}
        for kind in sorted({row.kind for row in rows}):
            places = [k for k, row in enumerate(rows) if row.kind == kind]
            for block in blocks(len(places), settings.rows):
                part = places[block]
                pixels = self._call([rows[k] for k in part], settings)
                drawn |= dict(zip(part, to_images(pixels, part), strict=True))
        return [drawn[k] for k in range(len(rows))]

    def adapted(self, adapter: Adapter) -> AbstractContextManager[None]:
        """Draw with personal weights while the context is open; see `AdapterSlot.hold`."""
        return self._slot.hold(adapter)

    def _call(self, rows: Sequence[Row], settings: DiffusionSettings) -> Float[Tensor, "n 3 h w"]:
        """One run of the pipeline on at most ``settings.rows`` rows of one kind."""
        padded = [*rows, *[rows[-1]] * (settings.rows - len(rows))]
        generators = [torch.Generator().manual_seed(int(row.seed)) for row in padded]
        negative = [row.condition.negative_prompt for row in padded]
        scale = settings.image_scale if len(rows[0].images) else 0.0
        with quiet(), self._image_scale(scale):
            drawn = self._pipeline(
                **self._words(padded),
                # None is what the published pipelines call no negative prompt.
                negative_prompt=negative if negative[0] else None,
                latents=self._noise(generators),
                generator=generators,
                guidance_scale=settings.guidance_scale,
                num_inference_steps=settings.n_inference_steps,
                height=self.size,
                width=self.size,
                output_type="pt",
                return_dict=False,
                **self._image_prompts(padded, settings.guidance_scale > 1),
            )
        images: Tensor = drawn[0][: len(rows)]
        return images

    def _words(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The prompts, or the states that stand for them."""
        states = [row.states for row in rows if row.states is not None]
        if not states:
            return {"prompt": [row.condition.prompt for row in rows]}
        return {"prompt_embeds": torch.from_numpy(np.stack(states)).to(self._device, self._dtype)}

    def _noise(self, generators: Sequence[torch.Generator]) -> Float[Tensor, "n c h w"]:
        """Initial latents, drawn on the CPU in float32 whatever the device and the precision."""
        side = self.size // self._pipeline.vae_scale_factor
        shape = (self._pipeline.unet.config.in_channels, side, side)
        rows = [torch.randn(shape, generator=generator) for generator in generators]
        return torch.stack(rows).to(self._device, self._dtype)

    def _image_prompts(self, rows: Sequence[Row], guided: bool) -> dict[str, list[Tensor]]:
        """``[negative; positive]`` image prompts; the negative one is the zero vector.

        With the adapter off its layers still ask for a prompt, and read zeros at scale 0.
        """
        if self.embedding_size is None:
            return {}
        off = np.zeros((1, self.embedding_size), dtype=np.float32)
        given = np.stack([row.images if len(row.images) else off for row in rows])
        both = np.concatenate([np.zeros_like(given), given]) if guided else given
        return {"ip_adapter_image_embeds": [torch.from_numpy(both).to(self._device, self._dtype)]}

    @contextmanager
    def _image_scale(self, scale: float) -> Iterator[None]:
        """The IP-Adapter at ``scale`` inside, and as it was afterwards."""
        processors = [
            processor
            for processor in self._pipeline.unet.attn_processors.values()
            if hasattr(processor, "to_k_ip")
        ]
        before = [list(processor.scale) for processor in processors]
        try:
            for processor in processors:
                processor.scale = [scale] * len(processor.scale)
            yield
        finally:
            for processor, kept in zip(processors, before, strict=True):
                processor.scale = kept
