"""Population best: what everybody likes, the same for everyone (control C4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._items import Stateless, open_choices, read_json, write_json


class PopulationBestConfig(Config):
    """Settings of `PopulationBest`."""

    prior_ratings: float = Field(2.0, ge=0)
    """Ratings at the population's like rate added to every item, so that one like is not 100%."""
    n_best: int = Field(100, ge=1)
    """Length of the list of best items; the k-th sample is the k-th best, round and round."""


@final
class PopulationBest(Stateless):
    """Answers with the training items of the highest smoothed like rate over all users."""

    Config = PopulationBestConfig
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: PopulationBestConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # counts only
        """Rank the items of the training view."""
        liked = train.interactions["liked"].astype(float)
        by_item = liked.groupby(train.interactions["item_id"]).agg(["sum", "count"])
        prior = self.config.prior_ratings
        rate = (by_item["sum"] + prior * liked.mean()) / (by_item["count"] + prior)
        ranked = rate.reset_index(name="rate")
        ranked = ranked.sort_values(["rate", "item_id"], ascending=[False, True])
        self._best = [str(i) for i in ranked["item_id"].head(self.config.n_best)]
        self._train = train

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The ``index``-th best item for every user alike."""
        picks = [self._best[sample.index % len(self._best)] for sample in samples]
        return open_choices(self._train, samples, picks)

    def save(self, folder: Path) -> None:
        """Store the ranked ids."""
        write_json(folder, self._best)

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002
        """Restore the ranked ids."""
        self._best = list(read_json(folder))
        self._train = train
