"""Labels of training models, 1, -1 or 0: by taste, texts or tags (paper 004, sec. 5.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from persongen_bench.core.types import Embeddings
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.util.vectors import largest_cluster, unit_rows

PROBE_C = 10.0
"""Inverse penalty of `probe`; on another world's users 1, 10 and 100 did alike."""
Labels = Int[np.ndarray, " n"]


@dataclass(frozen=True)
class Examples:
    """Pictures of the training models in the space of the role ``clip``."""

    rows: Embeddings
    """Unit length."""
    models: Int[np.ndarray, " pictures"]
    """Position of the model in the table of the zoo."""
    n_models: int

    @classmethod
    def of(cls, zoo: ModelZoo, rows: Embeddings) -> Examples:
        """``rows``: of ``zoo.examples``; a model without examples has no similarity (NaN)."""
        place = {model: k for k, model in enumerate(zoo.ids)}
        shown = zoo.examples.items["model_id"]
        models = np.array([place[str(model)] for model in shown], dtype=np.int64)
        return cls(unit_rows(rows), models, len(zoo))

    def similarity(self, target: Float[np.ndarray, " d"]) -> Float[np.ndarray, " n"]:
        """Mean cosine of each model's pictures to a target; NaN for a model without pictures."""
        cosines = self.rows @ unit_rows(target[None])[0]
        sums = np.bincount(self.models, cosines, self.n_models)
        counts = np.bincount(self.models, minlength=self.n_models)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def representative(liked: Embeddings, min_cluster_size: int, n_nearest: int) -> list[int]:
    """Positions of the pictures that stand for a taste.

    HDBSCAN on unit rows; of the largest cluster (the first of equal ones; everything where there is
    none) those nearest its mean, the nearest first.
    """
    rows = unit_rows(liked)
    members = largest_cluster(rows, min_cluster_size)
    centre = rows[members].mean(axis=0)
    order = np.argsort(-(rows[members] @ centre), kind="stable")
    return [int(k) for k in members[order[:n_nearest]]]


def probe(liked: Embeddings, disliked: Embeddings) -> Float[np.ndarray, " d"] | None:
    """What tells likes from dislikes: the normal of a logistic classifier of unit rows.

    None where there are no likes or no dislikes.
    """
    if not len(liked) or not len(disliked):
        return None
    rows = np.concatenate([unit_rows(liked), unit_rows(disliked)])
    labels = np.arange(len(rows)) < len(liked)
    model = LogisticRegression(C=PROBE_C, max_iter=1000).fit(rows, labels)
    return np.asarray(np.ravel(model.coef_), dtype=np.float64)


def by_share(similarity: Float[np.ndarray, " n"], share: float) -> Labels:
    """1 for the most similar share, -1 for the least; equal ones by their order in the table."""
    labels = np.zeros(len(similarity), dtype=np.int64)
    known = np.flatnonzero(np.isfinite(similarity))
    n = min(max(1, round(share * len(known))), len(known) // 2)
    order = known[np.argsort(-similarity[known], kind="stable")]
    labels[order[:n]] = 1
    labels[order[len(order) - n :]] = -1
    return labels


def by_thresholds(
    positive: Float[np.ndarray, " n"],
    negative: Float[np.ndarray, " n"],
    gate: Float[np.ndarray, " n"] | None,
    thresholds: tuple[float, float, float],
) -> Labels:
    """The rule of sec. 5.3.1: who is high in one text only, of those that pass the gate."""
    likely, unlikely = positive >= thresholds[0], negative >= thresholds[1]
    passed = np.ones(len(positive), dtype=bool) if gate is None else gate >= thresholds[2]
    return np.asarray(np.where(passed & (likely ^ unlikely), np.where(likely, 1, -1), 0))


def by_tags(tags: Sequence[object], positive: str, negative: str) -> Labels:
    """1 for models with the one tag, -1 with the other, 0 with both or neither."""
    held = [_tags(said) for said in tags]
    return np.array(
        [int(positive.lower() in own) - int(negative.lower() in own) for own in held],
        dtype=np.int64,
    )


def _tags(said: object) -> set[str]:
    """Tags of a cell: a list, or a text with commas or semicolons."""
    words = re.split(r"[,;]", said) if isinstance(said, str) else []
    if isinstance(said, list | tuple | np.ndarray):
        words = [str(word) for word in said]
    return {word.strip().lower() for word in words}
