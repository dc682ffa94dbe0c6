"""The library's pipelines, with one image prompt per row.

The stock pipelines repeat the given image embeddings once per prompt, so that several different
embeddings in one call become extra tokens of every row, and one user's picture shows another
user's taste. Here a tensor with one row per picture passes through as it is.
"""

from __future__ import annotations

from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from jaxtyping import Float
from torch import Tensor


class _RowwiseImagePrompts:
    """Mixin in front of a stock pipeline."""

    def prepare_ip_adapter_image_embeds(
        self,
        ip_adapter_image: Any,  # noqa: ANN401  # whatever the stock pipeline takes
        ip_adapter_image_embeds: list[Float[Tensor, "rows m d"]] | None,
        device: Any,  # noqa: ANN401  # a torch device or its name
        num_images_per_prompt: int,
        do_classifier_free_guidance: bool,
    ) -> list[Float[Tensor, "rows m d"]]:
        """The embeddings the denoiser sees, one row per row of its batch.

        ``num_images_per_prompt``: pictures in the call (its callers pass prompts times images
        per prompt). With guidance the rows are ``[negatives; positives]``, ``2n`` in all, without
        it ``n``. One embedding, or one pair, for all pictures is tiled by the stock code; any
        other number of rows raises `ValueError`, for there the stock code mixes pictures.
        """
        stock: Any = super()
        halves = 2 if do_classifier_free_guidance else 1
        rows = [len(given) for given in ip_adapter_image_embeds or ()]
        if rows and set(rows) == {halves * num_images_per_prompt}:
            return [given.to(device=device) for given in ip_adapter_image_embeds or ()]
        if set(rows) - {halves}:
            raise ValueError(
                f"expected image embeddings with {halves * num_images_per_prompt} rows (or "
                f"{halves}, the same for every picture), found {rows}"
            )
        embeds: list[Tensor] = stock.prepare_ip_adapter_image_embeds(
            ip_adapter_image,
            ip_adapter_image_embeds,
            device,
            num_images_per_prompt,
            do_classifier_free_guidance,
        )
        return embeds


class RowwisePipeline(_RowwiseImagePrompts, StableDiffusionPipeline):  # type: ignore[misc, unused-ignore]
    """`StableDiffusionPipeline` whose rows have their own image prompts."""


class RowwiseXLPipeline(_RowwiseImagePrompts, StableDiffusionXLPipeline):  # type: ignore[misc, unused-ignore]
    """`StableDiffusionXLPipeline` whose rows have their own image prompts."""
