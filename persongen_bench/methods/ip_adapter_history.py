"""IP-Adapter history: several liked images as image prompts of one picture (IP-Adapter, 2023)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
from pydantic import Field

from persongen_bench.core.dataset import View
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings
from persongen_bench.methods._drawing import (
    PUBLISHED_DRAWING,
    DrawingConfig,
    DrawsConditions,
    required_role,
)
from persongen_bench.methods._instructed import beside_words, instructed
from persongen_bench.methods._items import no_history
from persongen_bench.util.opening import opened_items

CHUNK = 64
"""Images opened and encoded at a time, fewer where they are large."""


class IpAdapterHistoryConfig(DrawingConfig):
    """Settings of `IpAdapterHistory`."""

    n_images: int = Field(default=4, ge=1)
    """Image prompts of a picture; all of a shorter history."""
    choice: Literal["recent", "random"] = "recent"
    """``recent``: the last of the history, the same for all of a user's pictures; ``random``:
    drawn without repetition for every sample."""
    combine: Literal["tokens", "mean"] = "tokens"
    """``tokens``: the image prompts stand side by side and the decoder attends to all;
    ``mean``: one image prompt, their mean."""
    image_scale: float | None = Field(default=None, ge=0)
    """Strength of the IP-Adapter; None: the stack's own, and beside an instruction .5. Its authors
    advise 1 for empty words and .5 for image and words together."""

    @property
    def draw_options(self) -> DrawOptions:
        """The same for the decoder."""
        return DrawOptions(self.guidance_scale, self.n_inference_steps, self.image_scale)


@final
class IpAdapterHistory(DrawsConditions):
    """Shows the decoder what the user liked; trains nothing and keeps nothing.

    It reads the request's history alone, so that it serves users it has never seen; a user
    without history is a failure. It is close to copying: read it beside novelty and copy rate.
    Preset ``paper``: the decoder's settings in REBECA, whose adapter has strength 1. Preset
    ``mean``: one image prompt, the mean of the last 20; ``image_scale`` .1 to 1 then moves along
    the curve from the instruction to the taste.
    """

    Config = IpAdapterHistoryConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {**PUBLISHED_DRAWING, "image_scale": 1.0},
        "sandbox": {},
        "mean": {"n_images": 20, "combine": "mean"},
    }
    generate_fields: ClassVar[frozenset[str]] = frozenset(IpAdapterHistoryConfig.model_fields)
    roles: ClassVar[tuple[str, ...]] = ("decoder", "image_encoder")
    config: IpAdapterHistoryConfig

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition | Failure]:
        """Image prompts for every sample; each history image is encoded once."""
        chosen = [self._choose(sample) for sample in samples]
        self._encode(item for items in chosen for item in items)
        return [
            instructed(Condition(images=self._combined(items)), sample.request)
            if items
            else no_history(sample)
            for sample, items in zip(samples, chosen, strict=True)
        ]

    def options(self, sample: Sample) -> DrawOptions:
        """As configured; weaker beside an instruction, unless a strength is set."""
        return beside_words(self.config.draw_options, sample.request)

    def _choose(self, sample: Sample) -> tuple[str, ...]:
        history, n = sample.request.history, self.config.n_images
        if self.config.choice == "recent" or len(history) <= n:
            return history[-n:]
        return tuple(history[i] for i in sample.rng().choice(len(history), n, replace=False))

    def _encode(self, item_ids: Iterable[str]) -> None:
        wanted = sorted(set(item_ids) - self._known.keys())
        for ids, images in opened_items(self._train.catalog, wanted, CHUNK):
            self._known.update(zip(ids, self._encoder.encode(images), strict=True))

    def _combined(self, items: Sequence[str]) -> Embeddings:
        rows = np.stack([self._known[item] for item in items])
        return rows if self.config.combine == "tokens" else rows.mean(axis=0, keepdims=True)

    def _open(self, stack: Stack, train: View) -> None:
        super()._open(stack, train)
        self._encoder = required_role(stack, "image_encoder", "encode liked images")
        self._train = train
        self._known: dict[str, Embeddings] = {}
