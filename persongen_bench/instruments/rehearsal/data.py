"""A data set of nothing in particular: gradients, for rehearsals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Dataset, DatasetCard, Promise, Split
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog, Image, ScoreMatrix

ITEMS_PER_USER = 5
"""Three liked and one disliked picture to learn from, one liked picture held out."""
_DISLIKED, _HELD_OUT = 3, 4


def gradients(n_users: int) -> Dataset:
    """``n_users`` people with five pictures each; nobody has a taste of their own."""
    ids = [f"i{k}" for k in range(ITEMS_PER_USER * n_users)]
    items = pd.DataFrame({"number": range(len(ids))}, index=pd.Index(ids, name="item_id"))
    return Dataset(
        name="rehearsal",
        card=DatasetCard("Rehearsal", "Gradients that nobody rated.", "Apache-2.0", "drawn"),
        catalog=Catalog(items, Gradients()),
        interactions=pd.DataFrame(map(_rated, ids), columns=list(INTERACTION_COLUMNS)),
        splits={"last": _last_held_out},
        taste=Brightness(),
    )


def _rated(item: str) -> tuple[str, str, float, bool, float]:
    user, place = divmod(int(item[1:]), ITEMS_PER_USER)
    liked = place != _DISLIKED
    return f"u{user}", item, 5.0 if liked else 1.0, liked, float(place)


def _last_held_out(interactions: pd.DataFrame, seed: int) -> Split:
    last = interactions["timestamp"] == _HELD_OUT
    promise: Promise = frozenset({"items", "time"})
    return Split("last", seed, interactions[~last], interactions[last], promise=promise)


class Gradients:
    """Draws the pictures."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """One picture per row."""
        return [picture(int(number)) for number in rows["number"]]


@dataclass(frozen=True)
class Brightness:
    """A taste to score with: everybody likes bright pictures."""

    signature: str = "brightness|impl:1"

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` in [0, 1]."""
        means = np.array([image.mean() / 255 for image in images], dtype=np.float64)
        return np.repeat(means[:, None], len(user_ids), axis=1)


def picture(number: int) -> Image:
    """A gradient, not square, so that cropping is rehearsed too: uint8 ``(3, 96, 128)``."""
    across, down = np.linspace(0, 1, 128), np.linspace(0, 1, 96)[:, None]
    phase = np.arange(3)[:, None, None] + number
    drawn: Image = (127.5 + 127.5 * np.sin(6 * (across + down) + phase)).astype(np.uint8)
    return drawn
