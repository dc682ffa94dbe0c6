"""Recall of held-out items that are no near duplicates of what the user trained on.

Who generates pictures makes many of one prompt: the latest picture of a user then often has a twin
among the earlier ones, and a list that repeats the user's own pictures finds it (Images-1M).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics.lists._card import CANDIDATES, CARD
from persongen_bench.metrics.lists._placed import Placed, mean_by_unit, placed, relevant
from persongen_bench.metrics.lists.functions import Places, recall_at, word_overlap
from persongen_bench.metrics.lists.top import AtTop

CONTENT, PROMPTS = "content_id", ("prompt", "caption")
"""Columns of the item table that tell what an item is of: its motif, or the first of these."""
NEAR, LEAST_WORDS = 0.8, 3
"""Overlap of the words of two prompts (Jaccard) from which on they are near duplicates, and how
many different words both must have to say anything."""


@final
class ListRecallNovel(AtTop):
    """`ListRecall` over the held-out likes that are new to their user; in [0, 1].

    One is not new where an item with training interactions of the user has its ``content_id``; or,
    of items without such a column, where the two have at least `NEAR` of the words of their
    ``prompt`` (else ``caption``) in common (Jaccard index, small letters, from `LEAST_WORDS`
    words on). A user with no new one is left out, for every method alike.
    """

    card: ClassVar[MetricInfo] = replace(
        CARD,
        name="list-recall-novel",
        source="near-duplicate audit of this benchmark",
        failed_value=0.0,
        shows_not="Near duplicates of other people's items, and pictures that look alike under "
        "other words.",
    )
    details: ClassVar[str] = f"{CANDIDATES}|near:{CONTENT}-or-words-jaccard>={NEAR}"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """How many held-out items are near duplicates, or that nobody can tell."""
        twins, wanted = near_duplicates(context), relevant(context).values()
        if twins is None:
            return (f"the items have no {CONTENT} and no prompt: nothing is left out",)
        n = sum(len(own.items) for own in wanted)
        said = f"{len(twins):,} of {n:,} held-out items are near duplicates of training items"
        return (f"{said} of their user and are left out",)

    def values(self, found: Placed) -> Places:
        """Chance of a place among the first k."""
        return recall_at(found.spots, self.k)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without a list, or without a held-out like that is new to them."""
        twins = near_duplicates(context) or frozenset()
        every, users = placed(context), context.samples["user_id"].astype(str).to_numpy()
        pairs = zip(users[every.row], every.item, strict=True)
        found = every.of(np.array([pair not in twins for pair in pairs], dtype=bool))
        return mean_by_unit(context, found.row, self.values(found))


def near_duplicates(context: ScoreContext) -> frozenset[tuple[str, str]] | None:
    """``(user, held-out item)`` for each that is none new; None where the items do not tell."""
    return context.memo("lists|near", lambda: _near_duplicates(context))


@dataclass(frozen=True)
class _Contents:
    """What items are of."""

    motif: Mapping[str, str]
    """Empty where the items have no motif: then words tell."""
    words: Mapping[str, frozenset[str]]

    def near(self, item: str, other: str) -> bool:
        """Whether two items are near duplicates."""
        if self.motif:
            motif = self.motif.get(item)
            return bool(motif) and motif == self.motif.get(other)
        one, two = (self.words.get(name, frozenset()) for name in (item, other))
        told = min(len(one), len(two)) >= LEAST_WORDS
        return told and word_overlap(one, two) >= NEAR


def _near_duplicates(context: ScoreContext) -> frozenset[tuple[str, str]] | None:
    contents = _contents(context)
    if contents is None:
        return None
    return frozenset(
        (user, item)
        for user, own in relevant(context).items()
        for item in own.items
        if any(contents.near(item, other) for other in own.seen)
    )


def _contents(context: ScoreContext) -> _Contents | None:
    """Of the items that matter: those of the users who are tested."""
    wanted = {i for own in relevant(context).values() for i in (*own.items, *own.seen)}
    tables = [view.catalog.items for view in (context.train, context.test)]
    column = next((name for name in (CONTENT, *PROMPTS) if name in tables[0]), None)
    if column is None:
        return None
    told = pd.concat([table[column] for table in tables])
    told = told[~told.index.duplicated() & told.index.isin(wanted)].fillna("").astype(str)
    texts = dict(zip(told.index.astype(str), told, strict=True))
    if column == CONTENT:
        return _Contents(texts, {})
    words = {
        item: frozenset(_NO_WORD.split(text.casefold())) - {""} for item, text in texts.items()
    }
    return _Contents({}, words)


_NO_WORD = re.compile(r"[\W_]+")
