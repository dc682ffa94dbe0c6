"""Wrong user: another method, conditioned on somebody else (control C2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from pydantic import Field

from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext, Method
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.methods._items import Stateless, read_json, write_json


class WrongUserConfig(Config):
    """Settings of `WrongUser`."""

    base: str = "copy-history"
    """Registered name of the method that is given the wrong user."""
    base_config: dict[str, Any] = Field(default_factory=dict)
    """Its configuration values."""
    n_history: int = Field(20, ge=0)
    """Liked items handed over as the other user's history."""


@final
class WrongUser(Stateless):
    """Runs ``base`` for a derangement of the users, matched on activity.

    If it scores like ``base``, what ``base`` makes is not personal. With U users its
    own-minus-other gap is expected at ``-gap(base) / (U - 1)``, not at 0: the right user is
    always among the others.
    """

    Config = WrongUserConfig
    generate_fields: ClassVar[frozenset[str]] = frozenset({"n_history"})

    def __init__(self, config: WrongUserConfig) -> None:
        self.config = config
        cls = registry.get("methods", config.base)
        self.base: Method = cls(cls.Config.model_validate(config.base_config))

    @property
    def roles(self) -> tuple[str, ...]:
        """Those of the base method."""
        return self.base.roles

    def fit(self, train: View, context: FitContext) -> None:
        """Fit the base method and draw the derangement."""
        if not context.base_fitted:
            self.base.fit(train, context)
        self._other = derange(train, context.users or train.users, context.seed)
        self._likes = train.liked_items

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """The base method's images for the other user, with this sample's own seed."""
        return self.base.generate([self._swap(sample) for sample in samples])

    def _swap(self, sample: Sample) -> Sample:
        user = self._other.get(sample.request.user_id, sample.request.user_id)
        likes = self._likes.get(user, ())
        history = likes[-self.config.n_history :] if self.config.n_history else ()
        return replace(sample, request=replace(sample.request, user_id=user, history=history))

    def save(self, folder: Path) -> None:
        """Store the base method and the derangement."""
        (folder / "base").mkdir()
        self.base.save(folder / "base")
        write_json(folder, self._other)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the base method and the derangement."""
        self.base.load(folder / "base", stack, train)
        self._other = dict(read_json(folder))
        self._likes = train.liked_items


def derange(train: View, among: Sequence[str], seed: int) -> dict[str, str]:
    """Another of these users for each, of about the same number of likes; one cycle over all."""
    rng = np.random.default_rng(seed)
    users = [among[i] for i in rng.permutation(len(among)) if among[i] in train.liked_items]
    users.sort(key=lambda user: len(train.liked_items[user]).bit_length())
    return dict(zip(users, users[1:] + users[:1], strict=True))
