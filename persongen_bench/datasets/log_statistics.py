"""Numbers of a log of interactions, as papers on recommendation print them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from persongen_bench.core.dataset import Dataset
from persongen_bench.core.statistics import Cell, CountTable, Distribution, Statistics

COLUMNS = ("data", "users", "items", "interactions", "average per user", "sparsity")
"""Of paper 004, Table 3."""
TOP = 30
"""Users of the plots of the most active (paper 004, Figures 8 and 9)."""


def log_row(name: str, log: pd.DataFrame) -> tuple[Cell, ...]:
    """``COLUMNS`` of a log: sparsity is the share of pairs of user and item that are not in it."""
    n_users, n_items = log["user_id"].nunique(), log["item_id"].nunique()
    pairs = len(log.drop_duplicates(["user_id", "item_id"]))
    empty = 1 - pairs / max(1, n_users * n_items)
    average = round(len(log) / max(1, n_users), 2)
    return name, n_users, n_items, len(log), average, f"{empty:.4%}"


def statistics_of(dataset: Dataset) -> Statistics:
    """What every data set has: people, items, interactions, and how active people are."""
    table = CountTable("Interactions", COLUMNS, (log_row(dataset.name, dataset.interactions),))
    users = dataset.interactions["user_id"].value_counts().to_numpy()
    return Statistics((table,), (top_users("Interactions of the most active users", users),))


def top_users(title: str, counts: np.ndarray) -> Distribution:
    """The counts of the `TOP` highest, without names."""
    highest = np.sort(counts)[::-1][:TOP]
    labels = tuple(str(k) for k in range(1, len(highest) + 1))
    return Distribution(title, labels, (("count", tuple(map(float, highest))),), log=True)


def binned(
    title: str, series: Sequence[tuple[str, Float[np.ndarray, " n"]]], edges: Sequence[int]
) -> Distribution:
    """How many values lie in each range; ``edges`` are the first whole numbers of the ranges."""
    bounds = np.array([*edges, np.inf])
    counts = tuple(
        (name, tuple(np.histogram(values, bins=bounds)[0].astype(float))) for name, values in series
    )
    labels = [f"{low}" if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return Distribution(title, (*labels, f"{edges[-1]}+"), counts, log=True)


def by_value(title: str, values: Int[np.ndarray, " n"], zero: str) -> Distribution:
    """How often each whole number occurs, in their order; 0 is called ``zero`` and comes last."""
    numbers, counts = np.unique(values, return_counts=True)
    order = np.argsort(np.where(numbers == 0, np.inf, numbers))
    names = tuple(str(number) if number else zero for number in numbers[order].tolist())
    return Distribution(title, names, (("count", tuple(map(float, counts[order]))),))


def shares(title: str, values: pd.Series, most: int = 12) -> Distribution:
    """How often the most frequent values occur; the others are one."""
    counts = values.astype("str").replace("", "unknown").value_counts()
    counts = counts.iloc[np.lexsort((counts.index.to_numpy(dtype=object), -counts.to_numpy()))]
    shown = counts.iloc[:most]
    names, numbers = [str(name) for name in shown.index], [float(n) for n in shown]
    if len(counts) > most:
        names.append(f"{len(counts) - most} others")
        numbers.append(float(counts.iloc[most:].sum()))
    return Distribution(title, tuple(names), (("count", tuple(numbers)),))
