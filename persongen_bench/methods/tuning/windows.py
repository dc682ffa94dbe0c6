"""What a picture is made from, and the windows of the training view (sec. 3.1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.windows import Window, windows


@dataclass(frozen=True)
class Owned:
    """A window and whose it is."""

    user_id: str
    window: Window


@dataclass(frozen=True)
class Windows:
    """All windows of a training view, those of the fit and those it is judged by."""

    fit: tuple[Owned, ...]
    validation: tuple[Owned, ...]
    """Their targets are in no window of the fit; their histories may be, for they are older."""


def cut_windows(train: View, n_history: int, n_validation: int, most: int) -> Windows:
    """Every window of every user's likes, oldest first, divided by time and then cut.

    ``n_validation``: the last likes of each user are targets of validation windows alone, except
    for users whose other likes would give no window. ``most``: validation windows in all, taken
    from the users in turn, the newest first.
    """
    fit, late = list[Owned](), list[list[Owned]]()
    for user, items in train.liked_items.items():
        spared = n_validation if len(items) - n_validation > n_history else 0
        early = items[: len(items) - spared]
        fit += [Owned(user, window) for window in windows(early, n_history)]
        newest = items[max(0, len(items) - spared - n_history) :] if spared else ()
        late.append([Owned(user, window) for window in windows(newest, n_history)][::-1])
    in_turn = [owned for row in zip_longest(*late) for owned in row if owned is not None]
    return Windows(tuple(fit), tuple(in_turn[:most]))


def known_texts(train: View) -> dict[str, str]:
    """What every catalogue picture is of, where anybody says."""
    ids = train.catalog.ids
    subjects = train.catalog.subjects(ids)
    return {} if subjects is None else dict(zip(ids, subjects, strict=True))


def others(owned: Sequence[Owned], seed: int) -> list[int]:
    """For each window the place of one of another user; its own where nobody else has any."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(owned))
    rank = {int(place): k for k, place in enumerate(order)}
    return [next(_strangers(owned, order, rank[k], k), k) for k in range(len(owned))]


def _strangers(owned: Sequence[Owned], order: np.ndarray, start: int, place: int) -> Iterator[int]:
    """Places behind ``start`` in the order, round about, that belong to somebody else."""
    for step in range(1, len(order)):
        other = int(order[(start + step) % len(order)])
        if owned[other].user_id != owned[place].user_id:
            yield other
