"""Unpersonalized: what the stack's decoder draws when nobody asks for anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import DrawsConditions


@final
class Unpersonalized(DrawsConditions):
    """Empty words, no image prompt, the sample's own noise: `sd-prompt` at level T0.

    Its taste is that of the decoder's training data. Its own-minus-other gap is zero but for
    chance: nothing about the user enters but the seed.
    """

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition]:
        """Nothing, for every sample."""
        return [Condition()] * len(samples)
