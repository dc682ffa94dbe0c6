"""How much of the verifier's score is what everybody finds beautiful."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._sets import jackknife_influence, spread_over_units
from persongen_bench.metrics._space import ROLE, rows_by_unit
from persongen_bench.metrics._verifier.config import role_of
from persongen_bench.metrics._verifier.instrument import own_probabilities, predict
from persongen_bench.metrics._verifier.metric import OfVerifier

AESTHETIC = "aesthetic/v2"
_FLAT = 1e-9
"""Share of the standard deviation below which what is left of a variable is rounding."""


@final
class AestheticsR2(OfVerifier):
    """Squared correlation of verifier score and population aesthetics over all images.

    Per image: the probability that the user it was made for likes it, and the aesthetic score
    that a model trained on many people's ratings gives it; in [0, 1]. REBECA prints 0.32.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="aesthetics-r2",
        family="taste",
        direction="none",
        range=(0.0, 1.0),
        unit="share of variance",
        source="REBECA, paper 001, sec. 4.5, fig. 8b",
        roles=(ROLE, AESTHETIC),
        level="set",
        personal=True,
        shows_not="Personalisation: differences of leniency between users lower it too, and what "
        "the aesthetic score does not explain need not be taste.",
    )
    details = "pearson|over-images|own-user"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The number plus each user's jackknife influence; NaN for users without a score."""
        owner = pd.Index(context.users).get_indexer(pd.Index(context.samples["user_id"]))
        own = own_probabilities(context, self.model)
        beauty = _aesthetics(context)
        known = np.isfinite(own)
        number, without = r_squared(own[known], beauty[known], owner[known], len(context.users))
        present = np.flatnonzero(np.bincount(owner[known], minlength=len(context.users)) > 0)
        influence = jackknife_influence(number, without[present])
        names = [context.users[k] for k in present]
        return spread_over_units(context, number, dict(zip(names, influence, strict=True)))


@final
class AestheticsCorrelation(OfVerifier):
    """Does a user's own score follow population aesthetics beyond the other users' scores?

    Per user, over the images made for the user: partial correlation, in [-1, 1], of the user's
    verifier logit and the aesthetic score, given the mean logit of all other users. 0: what sets
    the user apart from the others has nothing to do with general beauty; above 0: the user is
    more of a conformist than the others are, below 0: less.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="aesthetics-correlation",
        family="taste",
        direction="none",
        range=(-1.0, 1.0),
        unit="partial correlation",
        source="control for REBECA's diagnostic, paper 001, sec. 4.5 (this benchmark)",
        roles=(ROLE, AESTHETIC),
        personal=True,
        shows_not="How large the personal part of the score is, only which way it points.",
    )
    details = "pearson|logits|own-images|given:mean-of-others"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN with fewer than four images, or where nothing is left that could correlate."""
        beauty = _aesthetics(context)
        columns = {user: column for column, user in enumerate(context.users)}
        values = {}
        for user, rows in rows_by_unit(context):
            values[user], column = np.nan, columns[user]
            scores = predict(context, self.model, context.features(role_of(self.model), rows))
            known = np.isfinite(scores).all(axis=0)
            others = np.flatnonzero(known & (np.arange(len(known)) != column))
            if len(rows) and known[column] and len(others):
                given = scores[:, others].mean(axis=1)
                values[user] = partial_correlation(scores[:, column], beauty[rows], given)
        return pd.Series(values, dtype=float)


def _aesthetics(context: ScoreContext) -> Float[np.ndarray, " n"]:
    return np.asarray(context.features(AESTHETIC), dtype=np.float64)[:, 0]


def r_squared(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    owner: Int[np.ndarray, " n"],
    n_users: int,
) -> tuple[float, Float[np.ndarray, " users"]]:
    """Squared Pearson correlation, and what it is without each user's rows.

    NaN with fewer than three rows, or where x or y does not vary.
    """
    if not len(x):
        return float("nan"), np.full(n_users, np.nan)
    a, b = _scaled(x), _scaled(y)
    terms = np.stack([np.ones(len(a)), a, b, a * a, b * b, a * b])
    whole = terms.sum(axis=1)
    parts = np.stack([np.bincount(owner, term, n_users) for term in terms])
    return float(_from_sums(whole[:, None])[0]), _from_sums(whole[:, None] - parts)


def _scaled(x: np.ndarray) -> np.ndarray:
    centred = np.asarray(x, dtype=np.float64) - np.mean(x)
    spread = centred.std()
    # A constant stays exactly constant: its rounding errors are not scaled up.
    flat = spread <= _FLAT * np.abs(x).max()
    return np.zeros(len(x)) if flat else np.asarray(centred / spread)


def _from_sums(sums: Float[np.ndarray, "6 m"]) -> Float[np.ndarray, " m"]:
    n, a, b, aa, bb, ab = sums
    count = np.where(n >= 3, n, np.nan)  # two points are always on a line
    variance = (aa - a * a / count) * (bb - b * b / count)
    variance = np.where(variance > _FLAT, variance, np.nan)
    return np.asarray(np.clip((ab - a * b / count) ** 2 / variance, 0, 1))


def partial_correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], given: Float[np.ndarray, " n"]
) -> float:
    """Pearson correlation of what a straight line in ``given`` leaves of x and of y; in [-1, 1].

    NaN for n < 4 (three points leave one degree of freedom: +-1), or where nothing is left.
    """
    if len(x) < 4:
        return float("nan")
    line = np.column_stack([np.ones(len(given)), _scaled(given)])
    left = []
    for values in (_scaled(x), _scaled(y)):
        residual = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
        if residual.std() <= 1e-6:  # of the variable's standard deviation
            return float("nan")
        left.append(residual / np.linalg.norm(residual))
    return float(np.clip(left[0] @ left[1], -1, 1))
