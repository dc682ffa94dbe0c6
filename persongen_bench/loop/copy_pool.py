"""The pictures of a world as thumbnails, and how much they repeat one another by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.types import content_hash
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.loop.kept import kept
from persongen_bench.loop.world import World
from persongen_bench.util import twins
from persongen_bench.util.opening import opened_items

LIMIT = 6.0
"""Grey levels (root mean square of the thumbnails) up to which a picture repeats another one. Of
pictures of tasteworld 96% or more stay within it under every change of `benchmarks/copies.py`, also
under several at once. No training picture lies within it of a held-out one, and of the 192 pictures
of a run of its generative methods at most two do so by chance; at 8 there are up to four."""
RATIO = 2 / 3
"""A copy of a held-out picture is this much nearer to it than to anything shown. Of two pictures
met by chance neither is much nearer, however crowded the data are."""
MOST = 10_000
"""Pictures opened of either part, evenly spaced over their ids."""
N_NULL = 500
"""Pictures of either part by which chance is measured, evenly spaced over their ids."""


@dataclass(frozen=True)
class Pool:
    """The pictures of the data, as thumbnails, and how they repeat one another."""

    hidden: Sequence[str]
    """Ids of items that no method is shown, sorted."""
    shown: Sequence[str]
    """Ids of the training catalogue, sorted."""
    small_hidden: twins.Thumbnails
    small_shown: twins.Thumbnails
    null_hidden: Bool[np.ndarray, " n"]
    """Of training pictures: whether they would be taken for copies of held-out ones; empty where
    nothing is held out."""
    null_shown: Bool[np.ndarray, " m"]
    """Of held-out pictures: whether they repeat a training one."""


def pool_of(world: World) -> Pool:
    """The pictures of this world, from the cache where they were looked at before."""
    catalog = world.dataset.catalog
    every = set(world.train.catalog.ids)
    shown = spaced(sorted(every), MOST)
    hidden = spaced(sorted(set(catalog.ids) - every), MOST)
    key = content_hash(
        "copies 2", catalog.hash, content_hash(shown, hidden), LIMIT, RATIO, N_NULL, twins.VERSION
    )
    arrays = kept(key, lambda: _looked_at(world, hidden, shown))
    return Pool(hidden, shown, **arrays)


def spaced(ids: Sequence[str], most: int) -> list[str]:
    """At most so many of them, evenly spaced."""
    if len(ids) <= most:
        return list(ids)
    return [ids[k] for k in np.linspace(0, len(ids) - 1, most).astype(int)]


def _looked_at(world: World, hidden: Sequence[str], shown: Sequence[str]) -> dict[str, np.ndarray]:
    small_hidden, small_shown = (_small(world, ids) for ids in (hidden, shown))
    some = np.linspace(0, len(shown) - 1, min(N_NULL, len(shown))).astype(int)
    fresh = small_hidden[np.linspace(0, len(hidden) - 1, min(N_NULL, len(hidden))).astype(int)]
    _, seen = twins.nearest(small_shown[some], small_shown, some)
    _, unseen = twins.nearest(small_shown[some], small_hidden)
    _, repeated = twins.nearest(fresh, small_shown)
    return {
        "small_hidden": small_hidden,
        "small_shown": small_shown,
        "null_hidden": copies_hidden(unseen, seen)[: len(shown) if hidden else 0],
        "null_shown": repeated <= LIMIT,
    }


def _small(world: World, ids: Sequence[str]) -> twins.Thumbnails:
    parts = opened_items(world.dataset.catalog, ids, CHUNK)
    seen = world.progress(parts, "look at pictures for copies", -(-len(ids) // CHUNK))
    return np.concatenate([twins.thumbnails([]), *(twins.thumbnails(some) for _, some in seen)])


def copies_hidden(
    unseen: Float[np.ndarray, " n"], seen: Float[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which pictures copy a held-out one, by their differences to it and to what was shown."""
    return np.asarray((unseen <= LIMIT) & (unseen <= RATIO * seen) & (unseen < seen))
