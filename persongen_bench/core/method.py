"""The seam of methods: what one is, and what it may use while it fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import KnownTaste, View
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings, Image


@dataclass(frozen=True)
class FitContext:
    """What a method may use while it fits, besides the training view."""

    stack: Stack
    seed: int
    features: Callable[[str, View], Embeddings]
    """``features(role, view)``: float32 ``(len(view.catalog), d)`` in catalogue order, cached."""
    checkpoints: Path | None = None
    """Folder for resumable state; kept when a run is killed, removed after the fit."""
    progress: Progress = no_progress
    users: tuple[str, ...] = ()
    """Users that images will be asked for, a part of the training view's users: the ones a method
    that trains per user need train. Empty: every user of the view."""
    held_out: View | None = None
    """The test part: given only to anchors that declare ``privileged``, else None."""
    base_fitted: bool = False
    """For a method that wraps another one (attribute ``base``, its registered name in
    ``config.base``): the loop has fitted that one already, once for its own run and this one."""
    taste: KnownTaste | None = None
    """The true taste, where there is one: given only to ``privileged`` anchors."""


class Method(Protocol):
    """An adapter of one personalisation method.

    Life cycle: ``Method(config)`` then ``fit`` or ``load``, then ``generate`` any number of
    times, in any process, with any subset and order of samples.
    """

    Config: ClassVar[type[Config]]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    """Named sets of config values; ``paper`` holds the published ones."""
    privileged: ClassVar[bool]
    """True for anchors that look at held-out data; they are shown but never ranked."""
    generate_fields: ClassVar[frozenset[str]]
    """Config fields that `fit` does not read; runs that differ in these alone share one fit."""
    config: Any

    def fit(self, train: View, context: FitContext) -> None:
        """Learn from the training view only; deterministic given ``context.seed``."""
        ...

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One image (or `Failure`) per sample, in order; ``[]`` for none.

        An image may depend on its own sample alone. Raise `UnsupportedRequestError` for a user or
        history the method cannot serve.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted state (safetensors, JSON, Parquet; never pickle)."""
        ...

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; ``train`` is the view that was fitted."""
        ...
