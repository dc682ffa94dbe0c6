"""Random item: uniform over the training catalogue (REBECA, paper 001, sec. 3.3 "random")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.methods._items import FromCatalog, open_choices


@final
class RandomItem(FromCatalog):
    """Answers with a uniformly drawn training image, whoever asks: the unpersonalised floor."""

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One random training image per sample."""
        ids = self._train.catalog.ids
        picks = [ids[sample.rng().integers(len(ids))] for sample in samples]
        return open_choices(self._train, samples, picks)
