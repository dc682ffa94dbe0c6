"""Copy history: returns pictures the user already liked (control C1).

It wins every similarity to the history and must lose novelty; a benchmark on whose headline it
leads rewards copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.methods._items import FromCatalog, no_history, open_choices


@final
class CopyHistory(FromCatalog):
    """Answers with a uniformly drawn item of the request's own history."""

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One liked history image per sample; an empty history is a failure."""
        return open_choices(self._train, samples, [self._choose(s) for s in samples])

    @staticmethod
    def _choose(sample: Sample) -> str | Failure:
        history = sample.request.history
        return history[sample.rng().integers(len(history))] if history else no_history(sample)
