"""Pictures of the data in a site: what people liked, what was to follow, what a picture is near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from persongen_bench.core.request import Request
from persongen_bench.core.types import Image
from persongen_bench.loop.copy_pool import Pool, pool_of
from persongen_bench.loop.encoding import CHUNK
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World
from persongen_bench.site.thumbs import Thumbs
from persongen_bench.util import twins
from persongen_bench.util.opening import opened_items

N_LIKED = 12
"""Liked pictures of a person that are shown, the latest."""


@dataclass(frozen=True)
class Near:
    """An item of the data, and how far a picture is from it, in grey levels."""

    item: str
    distance: float


@dataclass(frozen=True)
class DataPictures:
    """The data of a table, as far as its pictures go."""

    world: World
    config: RunConfig
    """Of one of its runs."""
    thumbs: Thumbs
    _kept: dict[str, str] = field(default_factory=dict)
    """Item => address of its thumbnail."""

    @property
    def pictured(self) -> bool:
        """Whether the items have pictures."""
        return self.world.dataset.catalog.pictured

    def add(self, items: Sequence[str]) -> list[str]:
        """Addresses of the items' thumbnails."""
        if not self.pictured:
            return []
        new = [item for item in dict.fromkeys(items) if item not in self._kept]
        for ids, images in opened_items(self.world.dataset.catalog, new, CHUNK):
            self._kept.update(zip(ids, map(self.thumbs.add, images), strict=True))
        return [self._kept[item] for item in items]

    def likes(self, user: str) -> tuple[str, ...]:
        """What a person likes in the training view, newest last."""
        return self.world.train.liked_items.get(user, ())

    def history(self, user: str) -> list[str]:
        """Thumbnails of what a person liked last, newest last."""
        return self.add(self.likes(user)[-N_LIKED:])

    @cached_property
    def requests(self) -> Mapping[str, Request]:
        """What was asked, by id."""
        return {one.request_id: one for one in self.world.asked(self.config).requests}

    @cached_property
    def users(self) -> frozenset[str]:
        """Whom something was asked for."""
        return frozenset(request.user_id for request in self.requests.values())

    @cached_property
    def pool(self) -> Pool:
        """The pictures that copies are looked for among (`loop.copy_pool`)."""
        return pool_of(self.world)

    def nearest(self, images: Sequence[Image]) -> list[tuple[Near | None, Near | None]]:
        """The nearest training picture of each image, and the nearest held-out one."""
        if not self.pictured or not images:
            return [(None, None)] * len(images)
        small = twins.thumbnails(images)
        sides = (
            (self.pool.shown, self.pool.small_shown),
            (self.pool.hidden, self.pool.small_hidden),
        )
        found = [_near(ids, *twins.nearest(small, pictures)) for ids, pictures in sides]
        return list(zip(*found, strict=True))

    def taste(self, images: Sequence[Image], users: Sequence[str]) -> list[float | None]:
        """True taste of each image for the person beside it; None where nobody knows it."""
        taste, asked = self.world.dataset.taste, sorted(self.users & set(users))
        if taste is None or not images or not asked:
            return [None] * len(images)
        table = taste.utility(images, asked)
        column = {user: k for k, user in enumerate(asked)}
        return [
            float(table[row, column[user]]) if user in column else None
            for row, user in enumerate(users)
        ]


def _near(ids: Sequence[str], places: np.ndarray, distances: np.ndarray) -> list[Near | None]:
    pairs = zip(places.tolist(), distances.tolist(), strict=True)
    return [None if place < 0 else Near(ids[place], far) for place, far in pairs]
