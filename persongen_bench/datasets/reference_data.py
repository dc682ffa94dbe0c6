"""How data sets of the reference track that ask for held-out likes become a `Dataset`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.types import Catalog
from persongen_bench.datasets.reference_asks import AskForLikes, ReferenceRule
from persongen_bench.datasets.reference_splits import PAPER_SAMPLES, paper_samples

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceData:
    """What was read, and what was left out."""

    name: str
    catalog: Catalog
    log: pd.DataFrame
    """The interactions, of persons or of windows of their likes."""
    dropped: Sequence[str]
    """What was left out; every line stands in the card and is logged as a warning."""

    def described(self, said: str) -> str:
        """The description for the card: what there is, and what was left out."""
        return " ".join([said, *(f"Note: {line}." for line in self.dropped)])

    def dataset(
        self,
        card: DatasetCard,
        rule: ReferenceRule,
        split: tuple[str, SplitFunction] | None,
        most: int,
    ) -> Dataset:
        """The data set, which asks for held-out likes and whose references ``rule`` finds.

        Args:
            card: its card.
            rule: finds the pictures to follow.
            split: name and function of its split; None for windows, which the papers divide
                themselves (`paper_samples`).
            most: requests per user at most; 0: one for each held-out like.
        """
        for line in self.dropped:
            _log.warning("%s: %s", self.name, line)
        name, function = split or (PAPER_SAMPLES, paper_samples())
        asks = AskForLikes(self.catalog, rule, most)
        return Dataset(self.name, card, self.catalog, self.log, {name: function}, asks=asks)
