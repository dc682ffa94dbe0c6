"""Oracle: held-out items the user likes, best true taste first (control C5). Sees the test part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Catalog, Image, content_hash
from persongen_bench.methods._items import NoConfig, Stateless, open_choices
from persongen_bench.util.opening import opened_items

CHUNK = 512
"""Candidates judged at a time, fewer where they are large."""


@final
class Oracle(Stateless):
    """The upper anchor of every taste metric; privileged, therefore never ranked.

    Goes through the held-out items the user liked without repetition; where the true taste is
    known, those of the highest true utility come first.
    """

    privileged: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # the test part is all
        """Choose each user's candidates."""
        if context.held_out is None:
            raise ValueError("the oracle needs the held-out part")
        self._catalog = context.held_out.catalog
        likes = context.held_out.liked_items
        self._best = {user: _best(user, items, context) for user, items in likes.items()}

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One held-out liked image per sample; a user without any is a failure."""
        view = View(self._catalog, pd.DataFrame())
        return open_choices(view, samples, [self._choose(s) for s in samples])

    def _choose(self, sample: Sample) -> str | Failure:
        items = self._best.get(sample.request.user_id, ())
        return items[sample.index % len(items)] if items else no_likes(sample)

    def save(self, folder: Path) -> None:
        """Store the candidates with the catalogue rows they need."""
        rows = [(user, item) for user, items in self._best.items() for item in items]
        pd.DataFrame(rows, columns=["user_id", "item_id"]).to_parquet(folder / "best.parquet")
        self._catalog.items.to_parquet(folder / "items.parquet")

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002
        """Restore the candidates; images open through the training catalogue's source."""
        table = pd.read_parquet(folder / "best.parquet")
        self._best = {str(u): tuple(t["item_id"]) for u, t in table.groupby("user_id")}
        self._catalog = Catalog(pd.read_parquet(folder / "items.parquet"), train.catalog.source)


def no_likes(sample: Sample) -> Failure:
    """Says that a sample's user has nothing to be shown."""
    return Failure("method_error", f"user {sample.request.user_id} has no held-out like")


def _best(user: str, items: tuple[str, ...], context: FitContext) -> tuple[str, ...]:
    """The candidates, highest true utility first; equal ones in a seeded order per user."""
    rng = np.random.default_rng([context.seed, int(content_hash(user), 16)])
    items = tuple(items[i] for i in rng.permutation(len(items)))
    if context.taste is None or context.held_out is None or not items:
        return items
    parts = opened_items(context.held_out.catalog, items, CHUNK)
    utility = np.concatenate([context.taste.utility(part, [user])[:, 0] for _, part in parts])
    return tuple(items[i] for i in np.argsort(-utility.round(9), kind="stable"))
