"""Random item: uniform over the training catalogue (REBECA, paper 001, sec. 3.3 "random")."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

from persongen_bench.methods._items import NoConfig, Stateless, open_choices
from persongen_bench.protocols import FitContext, Stack
from persongen_bench.types import Failure, Image, Sample, View


@final
class RandomItem(Stateless):
    """Answers with a uniformly drawn training image, whoever asks: the unpersonalised floor."""

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # nothing to learn
        """Keep the training view."""
        self._train = train

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One random training image per sample."""
        ids = self._train.catalog.ids
        picks = [ids[sample.rng().integers(len(ids))] for sample in samples]
        return open_choices(self._train, samples, picks)

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002
        """Keep the training view."""
        self._train = train
