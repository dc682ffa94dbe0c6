"""Ranks with their uncertainty, and groups of methods that are tied."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError
from persongen_bench.stats.pairs import paired_p_values
from persongen_bench.stats.seeds import over_seeds
from persongen_bench.stats.shares import UNBOUNDED, Bounds


@dataclass(frozen=True)
class RankRow:
    """One method's place on a board."""

    name: str
    rank: int
    """Place by the mean, 1 the best; equal means share the better place."""
    rank_low: int
    """Best place the data allow: 1 + methods that are significantly better."""
    rank_high: int
    """Worst place the data allow: all methods less those that are significantly worse."""
    group: str
    """Letters of the tie groups; two methods share a letter if and only if they are tied."""


@dataclass(frozen=True)
class AllPairs:
    """Every pair of methods compared on the same users, Holm-adjusted within all pairs."""

    means: Float[np.ndarray, " methods"]
    """Over the users with a value from every method."""
    p_values: Float[np.ndarray, "methods methods"]
    """Adjusted, symmetric; 1 on the diagonal and where a test could not be made."""
    better: Bool[np.ndarray, "methods methods"]
    """True at ``[i, j]`` where method i is significantly better than j."""


def all_pairs(
    values: Float[np.ndarray, "users methods ..."],
    names: Sequence[str],
    higher_is_better: bool,
    alpha: float = 0.05,
    bounds: Bounds = UNBOUNDED,
) -> AllPairs:
    """Test every pair of methods (`stats.paired_test`) and adjust by Holm's method over all pairs.

    Every mark on a table or a picture comes from here, so that the chance that any of them tells
    apart two equal methods is at most ``alpha``. Arguments and errors are those of `rank`.
    """
    if values.ndim not in (2, 3) or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(f"found {values.shape} values, expected one of {len(names)} names each")
    common = _common_users(values, names)
    n_methods = len(names)
    pairs = list(combinations(range(n_methods), 2))
    raw = paired_p_values(common, pairs, bounds)
    means = np.array([over_seeds(common[:, j]).mean() for j in range(n_methods)])
    p_values = np.ones((n_methods, n_methods))
    for (i, j), p_value in zip(pairs, holm(raw), strict=True):
        p_values[i, j] = p_values[j, i] = 1.0 if np.isnan(p_value) else p_value
    ahead = np.subtract.outer(means, means) * (1 if higher_is_better else -1) > 0
    return AllPairs(means, p_values, ahead & (p_values <= alpha))


def rank(
    values: Float[np.ndarray, "users methods ..."],
    names: Sequence[str],
    higher_is_better: bool,
    alpha: float = 0.05,
    bounds: Bounds = UNBOUNDED,
) -> list[RankRow]:
    """Rank methods by their mean over users, with rank intervals and tie groups.

    Every pair is compared as in `all_pairs`. Because no pair is falsely told apart with
    probability 1 - alpha, all rank intervals hold the true ranks simultaneously with at least
    that probability (Al Mohamad, Goeman & van Zwet, Biometrics 78, 2022). Nothing here is random.

    All methods are compared on the same users: those with a value from every method. Fewer than
    two such users can tell nothing apart, and all methods are tied.

    Args:
        values: ``(U, M)``, one value per user and method, or ``(U, M, S)`` with one per seed too;
            NaN where undefined, and where a method has fewer seeds than others.
        names: the M distinct method names.
        higher_is_better: direction of the metric.
        alpha: family-wise error rate of the pairwise tests.
        bounds: declared range of a user's value, as in `stats.interval`.

    Returns:
        Rows by rank, then by name.

    Raises:
        ValueError: if there is not one distinct name per column.
        DataError: if no user has a value from every method.
    """
    if not len(names) and values.ndim > 1 and not values.shape[1]:
        return []
    return ranked(
        all_pairs(values, names, higher_is_better, alpha, bounds), names, higher_is_better
    )


def ranked(pairs: AllPairs, names: Sequence[str], higher_is_better: bool) -> list[RankRow]:
    """The rows of `rank` from comparisons that are already made."""
    signed = pairs.means if higher_is_better else -pairs.means
    places = [1 + int(np.count_nonzero(signed > mean)) for mean in signed]
    order = sorted(range(len(names)), key=lambda j: (places[j], names[j]))
    letters = letter_groups(pairs.better[np.ix_(order, order)])
    lows, highs = 1 + pairs.better.sum(axis=0), len(names) - pairs.better.sum(axis=1)
    return [
        RankRow(names[j], places[j], int(lows[j]), int(highs[j]), group)
        for j, group in zip(order, letters, strict=True)
    ]


def holm(p_values: Sequence[float] | Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979).

    Rejecting where the adjusted value is <= alpha keeps the chance of any false rejection in the
    family at alpha. NaN (a test that could not be made) stays NaN and does not count, as in R's
    ``p.adjust``.
    """
    raw = np.asarray(p_values, np.float64)
    adjusted = np.full(raw.shape, np.nan)
    order = np.argsort(raw, kind="stable")[: np.count_nonzero(~np.isnan(raw))]
    steps = raw[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def letter_groups(different: Bool[np.ndarray, "methods methods"]) -> list[str]:
    """Compact letter display of the pairs that are significantly different.

    Insert-and-absorb (Piepho, Journal of Computational and Graphical Statistics 13, 2004): start
    from one group of all; a significant pair splits every group that holds both; a group inside
    another one is absorbed.

    Args:
        different: ``(M, M)``; True at ``[i, j]`` or ``[j, i]`` where i and j differ.

    Returns:
        Letters per method. Two methods share a letter if and only if they do not differ; 'a' is
        the group that holds the first method and, among those, the most of the next ones.
    """
    groups = [frozenset(range(len(different)))]
    for i, j in combinations(range(len(different)), 2):
        if different[i, j] or different[j, i]:
            groups = _absorb(part for group in groups for part in _split(group, i, j))
    ordered = sorted(sorted(group) for group in groups)
    return [
        "".join(_letter(k) for k, group in enumerate(ordered) if method in group)
        for method in range(len(different))
    ]


def _common_users(
    values: Float[np.ndarray, "users methods ..."], names: Sequence[str]
) -> Float[np.ndarray, "common methods ..."]:
    undefined = np.isnan(values) if values.ndim == 2 else np.isnan(values).all(axis=2)
    common = values[~undefined.any(axis=1)]
    if not len(common):
        missing = undefined.sum(axis=0)
        worst = int(missing.argmax())
        raise DataError(
            f"no user has a value from every method; {names[worst]!r} misses {missing[worst]} of "
            f"{len(values)} users",
            fix="Leave that method out of the ranking or complete its run.",
        )
    return np.asarray(common, np.float64)


def _split(group: frozenset[int], i: int, j: int) -> list[frozenset[int]]:
    return [group - {i}, group - {j}] if i in group and j in group else [group]


def _absorb(groups: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    distinct = list(dict.fromkeys(groups))
    return [g for g in distinct if not any(g < other for other in distinct)]


def _letter(index: int) -> str:
    """A, b, ..., z, A, ..., Z, then a1, b1, ...: never ambiguous when joined."""
    alphabet = string.ascii_letters
    cycle, place = divmod(index, len(alphabet))
    return alphabet[place] + (str(cycle) if cycle else "")
