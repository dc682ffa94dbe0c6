"""Model editing: somebody's LoRA, changed to another user's taste."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request
from persongen_bench.core.track import AskedWorld
from persongen_bench.core.types import Unit


@final
class ModelEditing:
    """User + LoRA => edited LoRA, which the loop draws with (ImageGem, 004, sec. 4.3 and 5.3).

    Every tested user is given every held-out model. An edited and an untouched model are drawn
    from the same seeds.
    """

    output: ClassVar[str] = "adapter"
    unit: ClassVar[Unit] = "user"

    def requests(self, world: AskedWorld, n_images: int, n_history: int) -> Sequence[Request]:
        """By user, then by model; `DataError` where the data hold no model to edit."""
        zoo = world.dataset.models
        if zoo is None or not zoo.held_out:
            raise DataError(f"dataset {world.dataset.name} has no held-out models to edit")
        likes, prompt = world.train.liked_items, world.dataset.model_prompt or None
        return [
            Request(
                user,
                likes.get(user, ())[-n_history:] if n_history else (),
                n_images,
                instruction=prompt,
                model=model,
            )
            for user in world.test.users
            for model in zoo.held_out
        ]
