"""What the tracks share that ask for pictures a user will like."""

from __future__ import annotations

from typing import ClassVar

from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit


class PicturesToLike:
    """One request per user with held-out data; its history: the user's last liked items."""

    output: ClassVar[str] = "image"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
        """In the order of the users' ids."""
        likes = world.train.liked_items
        return [
            Request(user, likes.get(user, ())[-n_history:] if n_history else (), n_images)
            for user in world.test.users
        ]
