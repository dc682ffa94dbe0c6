"""Follower: the picture to follow, mixed with what this very request says the user liked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from plugin_example.blend import mean_image


class FollowerConfig(Config):
    """Options of `Follower`."""

    n_liked: int = Field(default=1, ge=0)
    """History pictures that the reference is mixed with, drawn by the sample's seed; 0: none."""


@final
class Follower:
    """Answers with the pixel mean of the reference and pictures of the request's history."""

    Config: ClassVar[type[Config]] = FollowerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"reference-only": {"n_liked": 0}}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset({"n_liked"})
    makes: ClassVar[str] = "image"
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: FollowerConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Keep the training view: histories are among its pictures."""
        self._train = train

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One mixture per sample; `UnsupportedRequestError` without a picture to follow."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Image:
        request = sample.request
        if request.reference is None:
            raise UnsupportedRequestError(f"user {request.user_id}: there is nothing to follow")
        n = min(self.config.n_liked, len(request.history))
        chosen = sample.rng().choice(len(request.history), size=n, replace=False) if n else ()
        liked = self._train.catalog.images([request.history[k] for k in sorted(chosen)])
        return mean_image([request.open_reference(), *liked])

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Keep the training view."""
        self._train = train
