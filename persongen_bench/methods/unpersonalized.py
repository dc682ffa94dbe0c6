"""Unpersonalized: what the stack's decoder draws when nobody asks for anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Condition
from persongen_bench.methods._drawing import DrawsConditions
from persongen_bench.methods._instructed import instructed


@final
class Unpersonalized(DrawsConditions):
    """No words but an instruction, no image prompt, the sample's own noise: `sd-prompt` at T0.

    Its taste is that of the decoder's training data. Its own-minus-other gap is zero but for
    chance: nothing about the user enters but the seed.
    """

    def conditions(self, samples: Sequence[Sample]) -> Sequence[Condition]:
        """Nothing but the instruction, for every sample."""
        return [instructed(Condition(), sample.request) for sample in samples]
