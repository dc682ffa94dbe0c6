"""Precision@k and recall@k of the controlled world (REBECA, paper 001, sec. 3.3, Table 1).

k counts *generated* images here; the retrieval metrics of the paper's section 4.4, where k counts
neighbours, are other metrics.

Both are exact expectations over all k-subsets of a user's n images instead of one draw of k, so
that no image is wasted: precision@k is then the share of images whose nearest held-out item is
liked, for every k; recall@k uses P(item hit) = 1 - C(n - c, k) / C(n, k) for an item that is the
nearest one of c images (the estimator family of pass@k, Chen et al. 2021, arXiv 2107.03374).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.later import pd, special
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import AtCount, build_signature
from persongen_bench.metrics._space import ROLE, nearest_by_user, no_dislikes


class _AtK(AtCount):
    """Base: nearest neighbours once per user, then a formula of k."""

    arguments: ClassVar[tuple[str, ...]] = ("1", "5", "10", "20")
    example: ClassVar[str] = "2"

    def signature(self, context: ScoreContext) -> str:
        """Names the space, the similarity and the estimator."""
        return build_signature(self.info, context, "sim:cosine|pool:own-test|est:k-subsets", 1)

    @abstractmethod
    def value(self, nearest: np.ndarray, liked: np.ndarray, n_asked: int) -> float:
        """The user's number: pool positions of the delivered images, the pool's likes, n asked."""

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without a pool, and where fewer than k images were asked for."""
        values = {}
        for user, (nearest, liked) in nearest_by_user(context).items():
            n_asked = context.n_asked.get(user, 0)
            defined = len(liked) > 0 and n_asked >= self.k
            values[user] = self.value(nearest, liked, n_asked) if defined else np.nan
        return pd.Series(values, dtype=float)


@final
class Precision(_AtK):
    """Share of generated images whose nearest held-out item the user liked; in [0, 1]."""

    card: ClassVar[MetricInfo] = MetricInfo(
        name="precision",
        family="taste",
        direction="higher",
        range=(0.0, 1.0),
        unit="share of images",
        source="REBECA, paper 001, sec. 3.3, Table 1",
        roles=(ROLE,),
        personal=True,
        failed_value=0.0,
        shows_not="Diversity: one image repeated scores as its single copy does. The share of "
        "likes in the pool is what chance scores.",
    )

    def value(self, nearest: np.ndarray, liked: np.ndarray, n_asked: int) -> float:  # noqa: ARG002  # for recall
        """Mean of the hits over the delivered images (the others count 0 when it is scored)."""
        return float(liked[nearest].mean()) if len(nearest) else np.nan

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says where there is nothing to tell likes from."""
        return no_dislikes(context)


@final
class Recall(_AtK):
    """Share of the user's held-out likes that are the nearest item of one of k images.

    In [0, 1]; at most k / number of likes, so small where pools are large (the paper prints it
    x 1000).
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="recall",
        family="diversity",
        direction="higher",
        range=(0.0, 1.0),
        unit="share of held-out likes",
        source="REBECA, paper 001, sec. 3.3, Table 1",
        roles=(ROLE,),
        personal=True,
        failed_value=0.0,
        failures="inside",
        shows_not="How good the misses are; its ceiling depends on the size of the pool.",
    )

    def value(self, nearest: np.ndarray, liked: np.ndarray, n_asked: int) -> float:
        """Expected share of likes hit, an undelivered image hitting none; NaN without likes."""
        if not liked.any():
            return np.nan
        hits = np.bincount(nearest, minlength=len(liked))[liked]
        return float(hit_probability(hits, n_asked, self.k).sum() / liked.sum())


def hit_probability(hits: np.ndarray, n: int, k: int) -> np.ndarray:
    """Chance that a k-subset of n images holds at least one of ``hits`` given ones."""
    misses = n - np.asarray(hits, dtype=float)
    possible = misses >= k
    m = np.where(possible, misses, k)
    gammaln = special.gammaln
    log_miss = gammaln(m + 1) - gammaln(m - k + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return np.where(possible, 1 - np.exp(log_miss), 1.0)
