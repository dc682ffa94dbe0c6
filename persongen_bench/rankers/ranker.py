"""What a ranking model with features is: it scores items for users, and may see a new picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError
from persongen_bench.core.later import pd
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.types import Embeddings, Rows

NEW = -1
"""In place of an item's position: an item that the ranker has never seen, known by its feature
alone (`Ranker.substitute`)."""


@dataclass(frozen=True)
class RankingData:
    """What a ranker learns from: ratings of items by users, and the items' features.

    Items without a rating may be among them: they are ranked as well.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    user: Int[np.ndarray, " n"]
    """Position in ``users`` of each rating; one rating per pair of user and item."""
    item: Int[np.ndarray, " n"]
    """Position in ``items``."""
    liked: Bool[np.ndarray, " n"]
    visual: Embeddings
    """``(items, d)``: what is replaced with a picture."""
    text: Embeddings | None = None
    """``(items, d_text)``: stays with the item; rankers that use one modality do without."""

    def __post_init__(self) -> None:
        """Refuse features that are not the items'."""
        for name, rows in (("visual", self.visual), ("text", self.text)):
            if rows is not None and len(rows) != len(self.items):
                found = f"{len(rows)} {name} features for {len(self.items)} items"
                raise DataError(f"{found}: a ranker needs one row per item")

    @classmethod
    def of(
        cls,
        view: View,
        visual: Embeddings,
        text: Embeddings | None = None,
        items: Sequence[str] | None = None,
    ) -> RankingData:
        """The ratings of a view; ``visual`` and ``text`` in the order of ``items``.

        ``items``: the view's catalogue in its order by default; others may be among them.
        """
        names = tuple(view.catalog.ids if items is None else items)
        ratings = view.ratings
        places = pd.Index(names).get_indexer(pd.Index(ratings.items))
        if (places < 0).any():
            raise DataError(f"item {ratings.items[int(places.argmin())]!r} is rated but not ranked")
        item = places[ratings.item]
        return cls(ratings.users, names, ratings.user, item, ratings.liked, visual, text)

    @cached_property
    def user_row(self) -> dict[str, int]:
        """User id => position."""
        return {user: row for row, user in enumerate(self.users)}

    @cached_property
    def item_row(self) -> dict[str, int]:
        """Item id => position."""
        return {item: row for row, item in enumerate(self.items)}

    @cached_property
    def rated(self) -> Bool[np.ndarray, "users items"]:
        """Which pairs have a rating: a user's training items."""
        table = np.zeros((len(self.users), len(self.items)), dtype=bool)
        table[self.user, self.item] = True
        return table


class Substituted(NamedTuple):
    """Scores after one feature was replaced, one row per substitution."""

    target: Float[np.ndarray, " n"]
    """Of the item whose feature was replaced."""
    items: Float[np.ndarray, "n items"]
    """Of every known item for the same user; the target's own is ``target``, where it is one."""


class Ranker(Protocol):
    """Scores items for users; the higher, the sooner the user is expected to like the item.

    Life cycle: ``Ranker(config)``, then ``fit`` or ``restore``, then the rest in any order. Scores
    are rounded so that equal pictures tie, whatever their batch.
    """

    Config: ClassVar[type[Config]]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    """Named sets of config values; ``paper`` holds the published ones."""
    version: ClassVar[int]
    """Rises with every change of the numbers."""
    smooth: ClassVar[bool]
    """Whether a score moves a little when the picture moves a little."""
    config: Any
    data: RankingData
    """What it was fitted on; set by `fit` and `restore`."""

    def fit(self, data: RankingData, seed: int = 0, progress: Progress = no_progress) -> None:
        """Learn; the same data and seed give the same ranker."""
        ...

    def weights(self) -> dict[str, np.ndarray]:
        """What was learned, besides the data."""
        ...

    def restore(self, data: RankingData, weights: Mapping[str, np.ndarray]) -> None:
        """Become the ranker that was fitted on ``data`` and gave these weights."""
        ...

    def scores(self, users: Rows) -> Float[np.ndarray, "n items"]:
        """Score of every item for users by position."""
        ...

    def substitute(self, users: Rows, items: Rows, features: Embeddings) -> Substituted:
        """Scores for ``users[k]`` once the visual feature of ``items[k]`` is ``features[k]``.

        Each substitution alone: nothing else changes, and nothing stays. An item `NEW` has the
        feature and nobody's rating. The item's own feature changes no score at all.
        """
        ...
