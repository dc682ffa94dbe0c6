"""The pseudo-users of SER30K: who likes which stickers in which order, and what is held out.

Nobody rated: a theme's stickers stand for what one person likes (Pigeon, paper 003), or those of
two random themes (RAGAR, paper 002). The order of the files of a theme, numbers by their value,
stands for time. The last stickers of every theme are held out, for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS, content_hash
from persongen_bench.datasets.implicit import SAMPLED
from persongen_bench.datasets.reference_splits import n_held_out

Themes = Mapping[str, Sequence[str]]
"""Item ids of every theme, in order."""
StickerUsers = Literal["theme", "two-themes", "windows"]


@dataclass(frozen=True)
class StickerPlan:
    """Who there is and what they dislike."""

    users: StickerUsers
    n_pairs: int
    """How many users of two themes, at most."""
    dislikes: int
    """Sampled stickers of other themes per like."""
    fraction: float
    """Share of a theme's stickers that is held out."""
    seed: int


def theme_ends(themes: Themes, fraction: float) -> frozenset[str]:
    """The last ``fraction`` of every theme's stickers, at least one."""
    ends = (items[-n_held_out(len(items), fraction) :] for items in themes.values())
    return frozenset(item for end in ends for item in end)


def sticker_log(themes: Themes, plan: StickerPlan) -> pd.DataFrame:
    """`INTERACTION_COLUMNS`: every sticker of a user's themes is a like, in order.

    A user of two themes has them shuffled into each other by their relative places. Beside every
    like stand ``plan.dislikes`` random stickers of other themes with its time and the rating
    `SAMPLED`: held-out ones beside a held-out like, others beside the others.
    """
    held_out = theme_ends(themes, plan.fraction)
    every = sorted(item for items in themes.values() for item in items)
    sides = {
        side: np.array([item for item in every if (item in held_out) == side], dtype=object)
        for side in (False, True)
    }
    parts = [
        _rows(user, likes, _dislikes(user, likes, own, sides, held_out, plan))
        for user, own in _users(themes, plan)
        for likes in (_interleaved([themes[theme] for theme in own]),)
    ]
    return canonical(pd.concat(parts, ignore_index=True))


def _users(themes: Themes, plan: StickerPlan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every user's name and themes."""
    names = sorted(themes)
    if plan.users != "two-themes":
        yield from ((name, (name,)) for name in names)
        return
    first, second = np.triu_indices(len(names), k=1)
    rng = np.random.default_rng([plan.seed, len(names)])
    for pair in sorted(rng.permutation(len(first))[: plan.n_pairs].tolist()):
        own = (names[first[pair]], names[second[pair]])
        yield "+".join(own), own


def _interleaved(themes: Sequence[Sequence[str]]) -> list[str]:
    """All items of the themes by their relative place in their own."""
    places = [((k + 0.5) / len(items), item) for items in themes for k, item in enumerate(items)]
    return [item for _, item in sorted(places)]


def _dislikes(
    user: str,
    likes: Sequence[str],
    own: Sequence[str],
    sides: Mapping[bool, np.ndarray],
    held_out: frozenset[str],
    plan: StickerPlan,
) -> list[tuple[str, float]]:
    rng = np.random.default_rng([plan.seed, int(content_hash(user), 16)])
    drawn: list[tuple[str, float]] = []
    for side, pool in sides.items():
        times = [k for k, item in enumerate(likes) if (item in held_out) == side]
        others = [item for item in rng.permutation(pool) if item.rpartition("/")[0] not in own]
        drawn += zip(others, np.repeat(times, plan.dislikes).tolist(), strict=False)
    return drawn


def _rows(user: str, likes: Sequence[str], dislikes: Sequence[tuple[str, float]]) -> pd.DataFrame:
    table = {
        "user_id": user,
        "item_id": [*likes, *(item for item, _ in dislikes)],
        "rating": [1.0] * len(likes) + [SAMPLED] * len(dislikes),
        "liked": [True] * len(likes) + [False] * len(dislikes),
        "timestamp": [*map(float, range(len(likes))), *(float(time) for _, time in dislikes)],
    }
    rows = pd.DataFrame(table, columns=list(INTERACTION_COLUMNS))
    return rows.astype({"user_id": "str", "item_id": "str"})
