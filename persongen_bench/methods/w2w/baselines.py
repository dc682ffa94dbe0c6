"""What an edited model is compared with: the model as it is, and one moved anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import content_hash
from persongen_bench.methods._items import FromCatalog
from persongen_bench.methods.w2w.config import RandomDirectionConfig
from persongen_bench.methods.w2w.directions import Direction, direction_of
from persongen_bench.methods.w2w.space import EditsModels


@final
class Unedited(FromCatalog):
    """The request's model, untouched: the pictures before the edit (004, sec. 5.3)."""

    makes: ClassVar[str] = "adapter"

    def generate(self, samples: Sequence[Sample]) -> Sequence[Adapter]:
        """The model of each request."""
        if any(sample.request.model is None for sample in samples):
            raise UnsupportedRequestError("the request names no model to edit")
        return [sample.request.open_model() for sample in samples]


@final
class RandomDirection(EditsModels):
    """A direction drawn for each user, as far as `W2W` goes along a learned one (ours)."""

    Config: ClassVar[type[Config]] = RandomDirectionConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"residual": "drop"}, "sandbox": {"rank": 4},
    }  # fmt: skip
    config: RandomDirectionConfig

    def directions(
        self, train: View, coordinates: np.ndarray, rows: Sequence[int], context: FitContext
    ) -> Mapping[str, Direction]:
        """Normal in every coordinate, so that all directions of the components are as likely."""
        del rows
        made = {}
        for user in context.users or train.users:
            seed = int(content_hash("random-direction", context.seed, user), 16)
            normal = np.random.default_rng(seed).standard_normal((coordinates.shape[1],))
            found = direction_of(normal, coordinates)
            if found is not None:
                made[user] = found
        return made
