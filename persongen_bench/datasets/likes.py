"""Which ratings are likes: a least rating, checked against the scale that a log was found to have.

A least rating is taken without asking only where the scale leaves no doubt:

- 0 and 1: 1;
- -1, 0 and 1: 1, all above 0;
- stars, whole or half, from .5 or 1 to 5, where 5 was given: 4, as in REBECA.

On any other scale (1 to 10, 0 to 100, shares) it must be said; the error names the range that was
found and what some choices would like. A least rating that likes nothing or everything is refused
wherever it comes from: nothing can be told of taste then, and every number would be a constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import ConfigError, DataError

STARS = 4.0
"""The least rating of a like, of 5 stars."""
OPTION = "--data-option like_threshold"
CLICKS = "If every row is a click or a purchase, use --data-option feedback=implicit"
_SUGGESTED = (0.6, 0.4, 0.2)
"""Shares of likes near which choices are suggested."""


def likes(
    ratings: Float[np.ndarray, " n"],
    threshold: float | None,
    where: str,
    *,
    clicks: bool = True,
    scale: Float[np.ndarray, " m"] | None = None,
) -> Bool[np.ndarray, " n"]:
    """Whether each rating is a like; some are and some are not.

    Args:
        ratings: ``(n,)`` finite numbers, n >= 1.
        threshold: a rating of at least this is a like; None: by the scale.
        where: the file or data set that errors name.
        clicks: whether errors name the option for logs of clicks.
        scale: the ratings that show the scale, where ``ratings`` are means of some of them.

    Raises:
        DataError: if all ratings are equal, or the scale leaves open which of them are likes.
        ConfigError: if the threshold likes nothing or everything.
    """
    values = np.unique(ratings)
    if len(values) == 1:
        raise DataError(
            f"{where}: every rating is {values[0]:g}, so nothing is told of anybody's taste",
            fix=f"{CLICKS}; else add" * clicks + "Add" * (not clicks) + " the ratings that differ.",
        )
    least = (
        _by_scale(values if scale is None else np.unique(scale)) if threshold is None else threshold
    )
    if least is None:
        raise DataError(
            f"{where}: ratings run from {_text(values[0])} to {_text(values[-1])} "
            f"({len(values):,} values), and which of them are likes is not said",
            fix=f"Name the least rating of a like: {suggestions(ratings)}.",
        )
    liked = np.asarray(ratings >= least)
    if liked.all() or not liked.any():
        error = DataError if threshold is None else ConfigError
        many = f"all {len(ratings):,}" if liked.all() else f"none of {len(ratings):,}"
        raise error(
            f"{where}: {many} ratings are likes, for they run from {_text(values[0])} to "
            f"{_text(values[-1])} and the least rating of a like is {least:g}",
            fix=f"Name another one: {suggestions(ratings)}."
            + f" {CLICKS}." * bool(clicks and liked.all()),
        )
    return liked


def _by_scale(values: Float[np.ndarray, " v"]) -> float | None:
    """The least rating of a like on the scale of the distinct, sorted ``values``."""
    if np.isin(values, (-1, 0, 1)).all() and values[-1] == 1:
        return 1.0
    half_steps = bool((values * 2 == np.round(values * 2)).all())
    return STARS if half_steps and values[0] >= 0.5 and values[-1] == 5 else None


def suggestions(ratings: Float[np.ndarray, " n"]) -> str:
    """Least ratings near usual shares of likes, each with the share that it would like."""
    values, counts = np.unique(ratings, return_counts=True)
    shares = counts[::-1].cumsum()[::-1] / len(ratings)
    near = {_nearest(shares[1:], share) + 1 for share in _SUGGESTED}
    said = [f"{_text(values[k])} likes {shares[k]:.0%}" for k in sorted(near)]
    return f"{OPTION}={'; '.join(said)}"


def _nearest(shares: Sequence[float] | np.ndarray, share: float) -> int:
    return int(np.abs(np.asarray(shares) - share).argmin())


def _text(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
