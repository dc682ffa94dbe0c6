"""Judges that have not seen the picture a generated one was made from.

A verifier knows by heart what it was trained on: it gives a training like of u a higher logit for
u than for others who would like it as much. A method without any taste that hands every user
copies of the user's own training likes would therefore look personalised: the judge recognises
the ratings it has learned, not the taste. So every generated image is judged by the fold verifier
that has not seen the rated picture nearest to it, with none of that picture's ratings. For an
exact copy this is held-out judging, as that of `crossfit`; for an image far from all rated ones it
makes no difference which of them judges.

The judges are put on one scale first. A user whose likes happen to lie in the fold left out looks
less lenient to that judge, which is the one that sees copies of these likes: without correction a
copier in a world without taste gets -.18 standard deviations of the taste part (30 users, 60
ratings each), with it -.01 (standard error .013; the verifier of everything: +.07 to +.33). So each
judge's logit for the mean rated picture is exchanged for the mean of all judges' logits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.core.types import Embeddings, Rows
from persongen_bench.metrics._rows import distinct_rows
from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics._verifier.scoring import Projected, Weights, project, score
from persongen_bench.util.batching import blocks

_DECIMALS = 12
"""Cosines are compared to this many; the first rated picture in the order of contents wins."""
_CELLS = 2**22
"""Cosines in memory at a time."""


@dataclass(frozen=True)
class FoldJudges:
    """The verifiers of all folds, and which of them has not seen which rated picture."""

    models: Mapping[int, Weights]
    """By the fold that was left out."""
    users: tuple[str, ...]
    known: Bool[np.ndarray, " users"]
    """Whether every one of the models has seen ratings of the user."""
    pictures: Embeddings
    """The distinct rated pictures, by content."""
    fold: Int[np.ndarray, " pictures"]

    @classmethod
    def of(
        cls,
        models: Mapping[int, Weights],
        ratings: Ratings,
        fold: Int[np.ndarray, " n"],
        embeddings: Float[np.ndarray, "items d"],
    ) -> FoldJudges:
        """``fold``: of every rating; ``embeddings``: of ``ratings.items``."""
        place, first = distinct_rows(embeddings)
        of_picture = np.zeros(len(first), dtype=np.int64)
        of_picture[place[ratings.item]] = fold
        known = np.ones(len(ratings.users), dtype=bool)
        for k in models:
            known &= ratings.take(fold != k).counts > 0
        return cls(models, ratings.users, known, embeddings[first], of_picture)

    def choose(self, images: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """Per image the fold of the nearest rated picture (cosine)."""
        pictures, chosen = unit_rows(self.pictures), np.empty(len(images), dtype=np.int64)
        for part in blocks(len(images), max(1, _CELLS // len(pictures))):
            cosines = np.round(unit_rows(images[part]) @ pictures.T, _DECIMALS)
            chosen[part] = self.fold[np.argmax(cosines, axis=1)]
        return chosen

    def usual(self, columns: Int[np.ndarray, " users"]) -> dict[int, Float[np.ndarray, " users"]]:
        """Every judge's logit for the mean rated picture, less the mean over the judges."""
        mean = self.pictures.mean(axis=0, dtype=np.float64)[None]
        logits = [score(w, project(w, mean), columns)[0] for w in self.models.values()]
        return dict(zip(self.models, logits - np.mean(logits, axis=0), strict=True))

    def columns(self, users: Sequence[str]) -> Int[np.ndarray, " users"]:
        """Positions of the users in the models' tables; -1 for those not `known`."""
        places = pd.Index(self.users).get_indexer(pd.Index(list(users)))
        return np.asarray(np.where((places >= 0) & self.known[places], places, -1))


@dataclass(frozen=True)
class JudgedImages:
    """The images of a context, each as the judge chosen for it sees it: O(n) numbers."""

    judges: FoldJudges
    fold: Int[np.ndarray, " n"]
    images: Projected

    @classmethod
    def of(cls, context: ScoreContext, judges: FoldJudges, role: str) -> JudgedImages:
        """Choose the judges; features in the space of ``role`` are asked for in blocks."""
        n = len(context.samples)
        nothing = project(next(iter(judges.models.values())), judges.pictures[:0])
        images = Projected(*(np.full((n, *part.shape[1:]), np.nan) for part in nothing))
        fold = np.empty(n, dtype=np.int64)
        for block in blocks(n, max(1, _CELLS // max(judges.pictures.shape))):
            features = context.features(role, range(n)[block])
            fold[block] = judges.choose(features)
            for k, weights in judges.models.items():
                rows = np.flatnonzero(fold[block] == k)
                for whole, part in zip(images, project(weights, features[rows]), strict=True):
                    whole[block][rows] = part
        return cls(judges, fold, images)

    def logits(self, users: Sequence[str], rows: Rows | None = None) -> Float[np.ndarray, "n u"]:
        """Logit of every image (or those in ``rows``) for the users named."""
        chosen = np.arange(len(self.fold)) if rows is None else np.asarray(rows, dtype=np.intp)
        columns = self.judges.columns(users)
        known = np.flatnonzero(columns >= 0)
        usual = self.judges.usual(columns[known])
        result = np.full((len(chosen), len(users)), np.nan)
        for k, weights in self.judges.models.items():
            own = np.flatnonzero(self.fold[chosen] == k)
            images = self.images.take(chosen[own])
            result[np.ix_(own, known)] = score(weights, images, columns[known]) - usual[k]
        return result
