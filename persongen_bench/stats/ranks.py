"""Ranks with their uncertainty, and groups of methods that are tied."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError
from persongen_bench.stats.pairs import holm, paired_t


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


def rank(
    values: Float[np.ndarray, "users methods"],
    names: Sequence[str],
    higher_is_better: bool,
    alpha: float = 0.05,
) -> list[RankRow]:
    """Rank methods by their mean over users, with rank intervals and tie groups.

    Every pair is compared by the paired t test over users; the p-values are adjusted by Holm's
    method within the board. Because no pair is falsely told apart with probability 1 - alpha,
    all rank intervals hold the true ranks simultaneously with at least that probability (Al
    Mohamad, Goeman & van Zwet, Biometrics 78, 2022). Nothing here is random.

    All methods are compared on the same users: those with a value from every method. Fewer than
    two such users can tell nothing apart, and all methods are tied.

    Args:
        values: ``(U, M)``, one value per user and method; NaN where undefined.
        names: the M distinct method names.
        higher_is_better: direction of the metric.
        alpha: family-wise error rate of the pairwise tests.

    Returns:
        Rows by rank, then by name.

    Raises:
        ValueError: if there is not one distinct name per column.
        DataError: if no user has a value from every method.
    """
    if values.ndim != 2 or values.shape[1] != len(names) or len(set(names)) != len(names):
        raise ValueError(f"found {values.shape} values, expected one of {len(names)} names each")
    if not len(names):
        return []
    common = _common_users(values, names)
    signed = common if higher_is_better else -common
    means = signed.mean(axis=0)
    better = _significantly_better(signed, alpha)
    places = [1 + int(np.count_nonzero(means > mean)) for mean in means]
    order = sorted(range(len(names)), key=lambda j: (places[j], names[j]))
    letters = letter_groups(better[np.ix_(order, order)])
    lows, highs = 1 + better.sum(axis=0), len(names) - better.sum(axis=1)
    return [
        RankRow(names[j], places[j], int(lows[j]), int(highs[j]), group)
        for j, group in zip(order, letters, strict=True)
    ]


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
    values: Float[np.ndarray, "users methods"], names: Sequence[str]
) -> Float[np.ndarray, "common methods"]:
    common = values[~np.isnan(values).any(axis=1)]
    if not len(common):
        missing = np.isnan(values).sum(axis=0)
        worst = int(missing.argmax())
        raise DataError(
            f"no user has a value from every method; {names[worst]!r} misses {missing[worst]} of "
            f"{len(values)} users",
            fix="Leave that method out of the ranking or complete its run.",
        )
    return np.asarray(common, np.float64)


def _significantly_better(
    signed: Float[np.ndarray, "users methods"], alpha: float
) -> Bool[np.ndarray, "methods methods"]:
    n_methods = signed.shape[1]
    pairs = list(combinations(range(n_methods), 2))
    adjusted = holm([paired_t(signed[:, i], signed[:, j])[1] for i, j in pairs])
    means = signed.mean(axis=0)
    better = np.zeros((n_methods, n_methods), bool)
    for (i, j), p_value in zip(pairs, adjusted, strict=True):
        winner, loser = (i, j) if means[i] >= means[j] else (j, i)
        better[winner, loser] = p_value <= alpha  # False where the test could not be made (NaN)
    return better


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
