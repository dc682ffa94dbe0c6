"""Recommendation: a list of items, or of models, that a user will like next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit


@final
class Recommendation:
    """User history => ranked items or models (ImageGem, paper 004, sec. 4.2 and 5.2).

    The method ranks the items of its training catalogue, among which the held-out ones are; items
    that the user has training interactions with are left out by methods and skipped by metrics.
    """

    output: ClassVar[str] = "ranking"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> Sequence[Request]:
        """One for each user who likes a held-out item, in the order of their ids.

        Raises `DataError` where the split hides the held-out items: nobody could recommend them.
        """
        if not world.split.open_catalog:
            raise DataError(
                f"the split {world.split.name} hides the held-out items, which are to be found",
                fix="Choose one that opens the catalogue, such as `--split leave-one-last`.",
            )
        likes, asked = world.train.liked_items, world.test.liked_items
        return [
            Request(user, likes.get(user, ())[-n_history:] if n_history else (), n_images)
            for user in world.test.users
            if asked[user]
        ]
