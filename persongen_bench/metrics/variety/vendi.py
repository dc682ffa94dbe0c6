"""Vendi score: how many different images the images of one request amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import Plain
from persongen_bench.metrics._space import (
    ROLE,
    AskedRequest,
    mean_over_asked,
    rows_by_request,
    unit_rows,
)


def vendi_score(features: Embeddings) -> float:
    """Vendi score of n >= 1 rows with the cosine kernel; in [1, n].

    Friedman and Dieng 2023, definition 3.1: the exponential of the Shannon entropy of the
    eigenvalues of K / n. 1: all rows point the same way; n: all are orthogonal. A row of zeros
    has no direction and counts as orthogonal to every other.
    """
    vectors = unit_rows(features)
    n = len(vectors)
    kernel = vectors @ vectors.T
    np.fill_diagonal(kernel, 1.0)
    share = np.linalg.eigvalsh(kernel / n)
    share = share[share > 0]
    return float(np.clip(np.exp(-(share * np.log(share)).sum()), 1.0, n))


@final
class Vendi(Plain):
    """Effective number of different images among a request's n; in [1, n].

    Cosine kernel in the role ``judge_encoder``, order 1 (Shannon). Its ceiling is the number of
    images, so numbers compare only where requests have as many. With m of n images delivered it is
    the score of the m to the power m / n: each other image counts 1 in a geometric mean. Entropy is
    concave, so no n images that hold these m score less, and leaving images out cannot help.
    """

    info: ClassVar[MetricInfo] = MetricInfo(
        name="vendi",
        family="diversity",
        direction="higher",
        range=(1.0, np.inf),
        unit="effective images",
        source="Friedman and Dieng 2023, definition 3.1",
        roles=(ROLE,),
        failed_value=1.0,
        failures="inside",
        shows_not="Whether the variety is wanted: random pictures are very diverse.",
    )
    details = "kernel:cosine|order:1|undelivered:geometric"
    version = 2

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Of each request, then of the unit; 1 for a single image, by definition."""
        features = context.features(ROLE)

        def value(asked: AskedRequest) -> float:
            if not len(asked.rows):
                return 1.0
            return float(vendi_score(features[asked.rows]) ** (len(asked.rows) / asked.n_asked))

        return mean_over_asked(context, value)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says where the number of images differs between requests, or is one."""
        counts = [len(answered.rows) for answered in rows_by_request(context)]
        said = []
        if len(set(counts)) > 1:
            said.append(f"requests have {min(counts)} to {max(counts)} images, so unequal ceilings")
        if 1 in counts:
            said.append(f"requests with one image, which score 1 by definition: {counts.count(1)}")
        return said
