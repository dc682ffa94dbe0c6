"""Three tracks: pictures that follow a picture, lists of items, weights for a decoder."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit, content_hash

WINDOWS = ("first", "later")


@final
class Follow:
    """Two requests a user: follow a picture in the colours liked first, and one in the later ones.

    The picture is a held-out one that the user did not like: to be like it is not to be liked.
    """

    output: ClassVar[str] = "image"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
        """In the order of the users' ids, the earlier half of the likes first."""
        return [
            Request(user, _last(window, n_history), n_images, reference, f"in my {name} colours")
            for user in world.test.users
            for name, window, reference in zip(
                WINDOWS, _halves(world, user), _to_follow(world, user), strict=False
            )
        ]


@final
class Recommend:
    """A ranked list of items for every user with held-out likes."""

    output: ClassVar[str] = "ranking"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
        """One a user, with what they liked last."""
        return _one_each(world, n_images, n_history)


@final
class Edit:
    """Weights that make a decoder draw for a user; the benchmark draws with them."""

    output: ClassVar[str] = "adapter"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
        """One a user, with what they liked last."""
        return _one_each(world, n_images, n_history)


def _one_each(world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
    liked = world.train.liked_items
    return [
        Request(user, _last(liked.get(user, ()), n_history), n_images) for user in world.test.users
    ]


def _last(items: tuple[str, ...], most: int) -> tuple[str, ...]:
    """The last ``most`` items; ``items[-0:]`` would be all of them."""
    return items[len(items) - min(most, len(items)) :]


def _halves(world: AskedWorld, user: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    liked = world.train.liked_items.get(user, ())
    middle = len(liked) // 2
    return liked[:middle], liked[middle:]


def _to_follow(world: AskedWorld, user: str) -> list[str]:
    """Two held-out items that the user did not like, in an order that only the user's id sets."""
    liked = {*world.test.liked_items.get(user, ()), *world.train.liked_items.get(user, ())}
    others = [item for item in world.test.catalog.ids if item not in liked]
    rng = np.random.default_rng(int(content_hash("follow", user), 16))
    return [others[k] for k in rng.permutation(len(others))[: len(WINDOWS)]]
