"""What is left of scores when leniency and quality are taken out: the table that tests permute.

Who is lenient gives more to everything, and good pictures get more from everybody. On a table of
probabilities or of likes the two interact (a like more or less matters most near one half), so a
method without any taste whose good sets go to lenient users, or to strict ones, would pass for
personal. Here both are fitted on the logit scale, where they add up (`additive`), and the score
that they predict is subtracted; what remains of the own images is taste, or noise.

Scores are read in blocks of users and only sums of them are kept, ``(U, U)`` and ``(n,)``, never
the ``(n, U)`` scores themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.later import pd, special
from persongen_bench.core.metric import ScoreContext, TasteInstrument
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.stats.additive import AdditiveFit, fit_additive
from persongen_bench.util.batching import blocks

ScoresOf: TypeAlias = Callable[[slice], ScoreMatrix]
"""A block of users => ``(n, block)`` scores in [0, 1]; NaN columns for users who cannot judge."""

_CELLS = 1 << 23
"""Scores in memory at a time."""
_NOTHING = 1e-8
"""Residuals up to this size are rounding, and set to 0: an additive table leaves nothing."""


@dataclass(frozen=True)
class Residuals:
    """Mean residual of every set of images with every user, in units of the score."""

    users: tuple[str, ...]
    """The users who can judge and have images, in the order of the context."""
    table: Float[np.ndarray, "k k"]
    """``[u, v]``: how much more u likes the images made for v than expected, mean over them."""


@dataclass(frozen=True)
class _Sums:
    """What is kept of the scores."""

    sets: Float[np.ndarray, "users users"]
    """``[u, v]``: sum over the images made for v of the scores that u gives."""
    images: Float[np.ndarray, " n"]
    """Sum over the users who can judge."""
    judges: Bool[np.ndarray, " users"]


def residuals_of(instrument: TasteInstrument, context: ScoreContext) -> Residuals:
    """What an instrument's scores leave; computed once for this set of samples."""
    key = f"residuals|{instrument.signature(context)}"
    return context.memo(key, lambda: _residuals(instrument, context))


def owners_of(context: ScoreContext) -> tuple[tuple[str, ...], Int[np.ndarray, " n"]]:
    """The users who have images, and the position among them of the owner of each sample."""
    owners = pd.Index(context.samples["user_id"])
    present = set(owners)
    users = tuple(user for user in context.users if user in present)
    return users, pd.Index(users).get_indexer(owners)


def _residuals(instrument: TasteInstrument, context: ScoreContext) -> Residuals:
    users, owners = owners_of(context)
    kept, table = residual_table(
        lambda block: instrument.scores(context, users[block]), owners, len(users)
    )
    return Residuals(tuple(users[k] for k in kept), table)


def residual_table(
    scores_of: ScoresOf, owners: Int[np.ndarray, " n"], n_users: int
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, "k k"]]:
    """Take leniency and quality out of how every user scores every user's images.

    Args:
        scores_of: the scores of all images for a block of users; called once per block.
        owners: ``(n,)``; the user for whom image i was made, 0 to ``n_users - 1``. Everybody has
            at least one image.
        n_users: how many users there are.

    Returns:
        The users who can judge, ascending, and their `Residuals.table`.

    Raises:
        ValueError: if a user has no image, judges some images only, or scores outside [0, 1].
    """
    if not n_users:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 0))
    counts = np.bincount(owners, minlength=n_users)
    if len(counts) > n_users or not counts.all():
        raise ValueError(f"expected images of each of {n_users} users, found {len(counts)} owners")
    order = np.argsort(owners, kind="stable")
    sums = _read(scores_of, order, counts)
    users = np.flatnonzero(sums.judges)
    sets, images = sums.sets, sums.images
    if len(users) < n_users:  # else nothing is copied: the table may be the largest thing there is
        sets, images = sets[np.ix_(users, users)], images[sums.judges[owners[order]]]
    return users, _subtract(sets, images, counts[users])


def _read(scores_of: ScoresOf, order: np.ndarray, counts: np.ndarray) -> _Sums:
    n_users, starts = len(counts), np.cumsum(counts) - counts
    sums = _Sums(
        np.empty((n_users, n_users)), np.zeros(len(order)), np.zeros(n_users, dtype=np.bool_)
    )
    for block in blocks(n_users, max(1, _CELLS // len(order))):
        scores = _checked(scores_of(block))[order]
        sums.judges[block] = ~np.isnan(scores).any(axis=0)
        sums.sets[block] = np.add.reduceat(scores, starts, axis=0, dtype=np.float64).T
        sums.images[:] += np.nansum(scores, axis=1, dtype=np.float64)
    return sums


def _checked(scores: ScoreMatrix) -> ScoreMatrix:
    missing = np.isnan(scores)
    if (missing.any(axis=0) != missing.all(axis=0)).any():
        raise ValueError("a user scores some images only; score all of them, or none (NaN)")
    if ((scores < 0) | (scores > 1)).any():
        raise ValueError("scores must lie in [0, 1]: probabilities, or likes as 0 and 1")
    return scores


def _subtract(
    sets: Float[np.ndarray, "k k"], images: Float[np.ndarray, " n"], counts: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k k"]:
    """Turn sums of scores into mean residuals, in place."""
    if not len(counts):
        return sets
    fit = fit_additive(sets.sum(axis=1) / len(images), images / len(counts))
    owners = np.repeat(np.arange(len(counts)), counts)
    for part in blocks(len(images), max(1, _CELLS // len(counts))):
        present, starts = np.unique(owners[part], return_index=True)
        sets[:, present] -= np.add.reduceat(_expected(fit, part), starts, axis=1)
    sets /= counts
    for part in blocks(len(sets), max(1, _CELLS // len(sets))):
        rows = sets[part]
        rows[np.abs(rows) <= _NOTHING] = 0
    return sets


def _expected(fit: AdditiveFit, images: slice) -> Float[np.ndarray, "users images"]:
    return np.asarray(special.expit(fit.leniency[:, None] + fit.quality[images]))
