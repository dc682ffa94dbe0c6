"""Where the held-out items stand in everybody's lists; the lists are read once for all metrics.

Candidates of a user are all items, but for those with training interactions of the user: these are
skipped where a list names them. Relevant are the user's held-out likes among the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.dataset import View
from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.output import Ranking
from persongen_bench.core.types import content_hash
from persongen_bench.metrics.lists.functions import Spots, draw_negatives, tie_starts

N_NEGATIVES = 100
"""Random items that a held-out one stands among in sampled metrics, as in SASRec's evaluation."""
_DRAW = "sampled negatives|1"


@dataclass(frozen=True)
class Relevant:
    """What is to be found for one user."""

    items: tuple[str, ...]
    """Held-out likes, sorted; at least one."""
    seen: frozenset[str]
    """Items with training interactions."""
    n_candidates: int
    """Items that can be listed, the held-out ones included."""


@dataclass(frozen=True)
class Placed:
    """The held-out items of every delivered list, one row for each list and item."""

    row: Int[np.ndarray, " n"]
    """Of ``context.samples``."""
    item: tuple[str, ...]
    spots: Spots
    """Among all candidates."""
    sampled: Spots
    """Among `N_NEGATIVES` random ones; what is not listed is tied with those that are not."""

    def of(self, chosen: Bool[np.ndarray, " n"]) -> Placed:
        """Some of the rows."""
        kept = np.flatnonzero(chosen)
        item = tuple(self.item[k] for k in kept)
        return Placed(self.row[kept], item, _some(self.spots, kept), _some(self.sampled, kept))


def _some(spots: Spots, kept: Int[np.ndarray, " m"]) -> Spots:
    return Spots(spots.before[kept], spots.tied[kept], spots.listed[kept])


def catalogue(context: ScoreContext) -> tuple[str, ...]:
    """Ids of all items that can be listed, sorted: the training catalogue and the held-out ones."""
    views = (context.train, context.test)
    ids = {item for view in views for item in view.catalog.ids}
    return context.memo("lists|catalogue", lambda: tuple(sorted(ids)))


def relevant(context: ScoreContext) -> dict[str, Relevant]:
    """What is to be found for each user of the protocol with held-out likes among the candidates.

    The data decide, whatever was delivered.
    """
    return context.memo("lists|relevant", lambda: _relevant(context))


def _relevant(context: ScoreContext) -> dict[str, Relevant]:
    known, users = set(catalogue(context)), set(context.users)
    seen, likes = _items_of(context.train, users), context.test.liked_items
    found = {}
    for user in sorted(users):
        own = seen.get(user, frozenset())
        items = tuple(sorted({item for item in likes.get(user, ()) if item in known} - own))
        if items:
            found[user] = Relevant(items, own, len(known) - len(own & known))
    return found


def _items_of(view: View, users: set[str]) -> dict[str, frozenset[str]]:
    rows = view.interactions
    rows = rows[rows["user_id"].isin(users)]
    return {str(user): frozenset(map(str, own)) for user, own in rows.groupby("user_id")["item_id"]}


def placed(context: ScoreContext) -> Placed:
    """Every list is opened once, however many metrics ask."""
    return context.memo("lists|placed", lambda: _place(context))


def _place(context: ScoreContext) -> Placed:
    wanted, ids = relevant(context), catalogue(context)
    code_of, data = {item: code for code, item in enumerate(ids)}, context.train.hash
    negatives: dict[str, list[list[str]]] = {}
    rows: list[int] = []
    items: list[str] = []
    numbers: list[tuple[int, ...]] = []
    for row, user in enumerate(context.samples["user_id"].astype(str)):
        own = wanted.get(user)
        if own is None:
            continue
        if user not in negatives:
            negatives[user] = _negatives(user, own, ids, code_of, data)
        (ranking,) = context.outputs([row])
        numbers += _numbers(ranking, own, negatives[user], code_of)
        rows += [row] * len(own.items)
        items += own.items
    table = np.array(numbers, dtype=np.int64).reshape(-1, 5)
    listed = table[:, 2].astype(bool)
    full = Spots(table[:, 0], table[:, 1], listed)
    return Placed(np.array(rows, dtype=np.int64), tuple(items), full,
                  Spots(table[:, 3], table[:, 4], np.ones(len(table), dtype=bool)))  # fmt: skip


def _negatives(
    user: str, own: Relevant, ids: Sequence[str], code_of: dict[str, int], data: str
) -> list[list[str]]:
    """For each relevant item the random others, by the data and the user alone."""
    rng = np.random.default_rng(int(content_hash(_DRAW, data, user), 16))
    away = {code_of[item] for item in (*own.items, *own.seen) if item in code_of}
    return [
        [ids[code] for code in draw_negatives(away, len(ids), N_NEGATIVES, rng)] for _ in own.items
    ]


def _numbers(
    ranking: Ranking, own: Relevant, negatives: Sequence[Sequence[str]], known: dict[str, int]
) -> list[tuple[int, ...]]:
    """Per relevant item: before, tied, listed; before and tied among its negatives."""
    ids = ranking.item_ids
    place = dict(zip(ids, range(len(ids)), strict=True))
    starts = tie_starts(len(ids), ranking.scores)
    skipped = np.sort([place[item] for item in own.seen if item in place]).astype(np.int64)
    n_left = 0
    if any(item not in place for item in own.items):
        n_left = own.n_candidates - sum(map(known.__contains__, ids)) + len(skipped)
    numbers: list[tuple[int, ...]] = []
    for item, others in zip(own.items, negatives, strict=True):
        at = place.get(item)
        start = len(ids) if at is None else int(starts[at])
        end = len(ids) if at is None else int(np.searchsorted(starts, start, side="right"))
        gone, inside = np.searchsorted(skipped, [start, end])
        tied = n_left if at is None else end - start - (inside - gone)
        theirs = np.array([len(ids) if o not in place else starts[place[o]] for o in others])
        both = (int((theirs < start).sum()), int((theirs == start).sum()) + 1)
        numbers.append((start - int(gone), max(1, int(tied)), int(at is not None), *both))
    return numbers


def mean_by_unit(
    context: ScoreContext, rows: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> pd.Series:
    """Mean of the values over each unit's lists, within a list first; NaN for units without any."""
    by_list = pd.Series(values, dtype=float).groupby(rows).mean()
    units = context.samples["unit"].to_numpy(dtype=object)[by_list.index.to_numpy(dtype=np.int64)]
    return by_list.groupby(units).mean().reindex(list(context.units)).astype(float)
