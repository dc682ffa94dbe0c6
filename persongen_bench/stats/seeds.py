"""Two levels of chance: users, and the seeds with which a method was made.

Another seed moves all users of a method at once, so more users do not make it smaller. Where a
method has several seeds, the variance of its mean is that over users plus that over seeds::

    var over users (of the users' means over seeds) / users + var over seeds / seeds

The second term holds the noise of single values too, which the first one counts already: the sum
is somewhat too large, and never too small on average. Degrees of freedom are Satterthwaite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class SeedError:
    """What the choice of seeds adds to the variance of a method's mean."""

    variance: float
    df: int


def over_seeds(values: Float[np.ndarray, "users ..."]) -> Float[np.ndarray, " users"]:
    """``(users,)`` mean over the seeds in which a user has a value; NaN where there is none.

    ``values``: ``(users,)`` of one seed, or ``(users, seeds)``.
    """
    given = np.asarray(values, np.float64)
    if given.ndim == 1:
        return given
    defined = ~np.isnan(given)
    counts = defined.sum(axis=1)
    means = np.full(len(given), np.nan)
    np.divide(np.where(defined, given, 0.0).sum(axis=1), counts, out=means, where=counts > 0)
    return means


def seed_error(values: Float[np.ndarray, "users ..."]) -> SeedError | None:
    """The variance over seeds of one method; None with one seed, where it is not known.

    A user's values enter as deviations from the user's own mean, so that a user whom one seed
    lacks does not pass for a difference between seeds. Seeds without any value do not count.
    """
    given = np.asarray(values, np.float64)
    if given.ndim == 1:
        return None
    rows = given[~np.isnan(given).all(axis=1)]
    rows = rows[:, ~np.isnan(rows).all(axis=0)]
    n_seeds = rows.shape[1]
    if n_seeds < 2:
        return None
    shifts = over_seeds((rows - over_seeds(rows)[:, None]).T)
    return SeedError(float(shifts.var(ddof=1)) / n_seeds, n_seeds - 1)


def combined(user_variance: float, n_users: int, seeds: Sequence[SeedError]) -> tuple[float, float]:
    """``(standard error, degrees of freedom)`` of a mean over users and seeds.

    ``user_variance``: over users, of one user's value; two users or more.
    """
    parts = [(user_variance / n_users, n_users - 1)] + [(s.variance, s.df) for s in seeds]
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, float(n_users - 1)
    shares = [(variance / total) ** 2 / df for variance, df in parts]
    return float(np.sqrt(total)), float(1 / sum(shares))
