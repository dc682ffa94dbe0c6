"""Pictures whose words say nearly the same, and how good each picture is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError, MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.ratings import Ratings
from persongen_bench.core.roles import TextEncoder, open_role
from persongen_bench.methods.diffusion_dpo.config import RATINGS, WITH_WORDS, DiffusionDpoConfig
from persongen_bench.util.vectors import clusters, unit_rows


def words_of(train: View) -> list[str]:
    """The words of every picture of the training catalogue: its subject, else its caption."""
    said = train.catalog.subjects(train.catalog.ids)
    if said is None:
        raise DataError(
            "the pictures have no words to be drawn by",
            fix="Give the catalogue a column caption, or a data set with pairs of its own.",
        )
    return said


def cluster_words(texts: Sequence[str], context: FitContext, size: int) -> Int[np.ndarray, " n"]:
    """Cluster of every text by its embedding of the role ``clip``; each text is encoded once."""
    model = open_role(context.stack, "clip")
    if not isinstance(model, TextEncoder):
        raise MissingRoleError(f"stack {context.stack.name}: its clip reads no words")
    distinct = sorted(set(texts))
    rows = pd.Series(range(len(distinct)), index=distinct)[list(texts)].to_numpy()
    return clusters(model.encode_texts(distinct)[rows], size)


def scores_of(
    train: View, texts: Sequence[str], config: DiffusionDpoConfig, context: FitContext
) -> Float[np.ndarray, " n"]:
    """How good each picture of the training catalogue is; NaN where nobody says."""
    if config.score == RATINGS:
        return _mean_ratings(train, config.user)
    model = open_role(context.stack, config.score)
    rows = context.features(config.score, train)
    if config.score.partition("/")[0] not in WITH_WORDS:
        return np.asarray(rows[:, 0], dtype=np.float64)
    distinct = sorted(set(texts))
    said = dict(zip(distinct, unit_rows(model.encode_texts(distinct)), strict=True))
    return np.asarray((unit_rows(rows) * np.stack([said[text] for text in texts])).sum(axis=1))


def _mean_ratings(train: View, user: str | None) -> Float[np.ndarray, " n"]:
    """Mean over people of one rating each; or one person's own."""
    ratings: Ratings = train.ratings
    if user is not None and user not in ratings.users:
        raise DataError(f"user {user!r} has no ratings in the training data")
    own = slice(None) if user is None else ratings.user == ratings.users.index(user)
    rated = pd.Series(ratings.rating[own], index=np.array(ratings.items)[ratings.item[own]])
    means = rated.groupby(level=0).mean()
    return np.asarray(means.reindex(train.catalog.ids), dtype=np.float64)
