"""Nearest neighbours of every generated image: what it copies, and what it meets.

No number but its evidence: memorisation scores do not work alone (Stein et al., NeurIPS 2023),
so that a reader must be able to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._space import ROLE, unit_rows

_DECIMALS = 12
"""Cosines are compared to this many decimals; the first of the candidates wins a tie."""


@dataclass(frozen=True)
class Neighbour:
    """The nearest of some items; the cosine lies in [-1, 1]."""

    item_id: str
    cosine: float


@dataclass(frozen=True)
class Nearest:
    """One generated image with its neighbours; None where there is no such item."""

    user_id: str
    row: int
    """Row of the image in ``context.samples``."""
    seen: Neighbour | None
    """Among the user's own liked training items: near 1, the image is a copy of one."""
    met: Neighbour | None
    """Among the user's held-out likes, which the method never saw."""
    other: Neighbour | None
    """Among all other training items: near 1, the image is a copy of somebody else's."""


def nearest(images: Embeddings, item_ids: Sequence[str], items: Embeddings) -> list[Neighbour]:
    """The nearest item by cosine of each of ``(n, d)`` images among ``(m, d)`` items, m >= 1."""
    cosines = np.round(np.clip(unit_rows(images) @ unit_rows(items).T, -1.0, 1.0), _DECIMALS)
    best = cosines.argmax(axis=1)
    return [Neighbour(item_ids[k], float(row[k])) for k, row in zip(best, cosines, strict=True)]


def nearest_neighbours(context: ScoreContext, role: str = ROLE) -> list[Nearest]:
    """Neighbours of every image in the space of ``role``, by user, then by ``index``."""
    features = context.features(role)
    seen, met = context.train.liked_items, context.test.liked_items
    catalogue = sorted(context.train.catalog.ids)
    nearest = []
    by_user = context.samples.groupby("user_id").indices
    for user in (user for user in context.users if user in by_user):
        rows = _by_index(context.samples, np.asarray(by_user[user]))
        own = seen.get(user, ())
        rest = sorted(set(catalogue).difference(own))
        search = _search(context, role, features[rows])
        columns = [search(sorted(own)), search(sorted(met.get(user, ()))), search(rest)]
        nearest += [
            Nearest(user, int(row), *neighbours)
            for row, *neighbours in zip(rows, *columns, strict=True)
        ]
    return nearest


def _by_index(samples: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """A user's rows in the order of the images' index."""
    order = np.lexsort((samples["sample_id"].iloc[rows], samples["index"].iloc[rows]))
    return np.asarray(rows[order])


def _search(
    context: ScoreContext, role: str, images: Embeddings
) -> Callable[[Sequence[str]], Sequence[Neighbour | None]]:
    def among(item_ids: Sequence[str]) -> Sequence[Neighbour | None]:
        if not item_ids or not len(images):
            return [None] * len(images)
        return nearest(images, item_ids, context.item_features(role, item_ids))

    return among
