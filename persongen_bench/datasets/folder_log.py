"""The interactions of a user's folder: read from its log, counted from events, or simulated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.datasets import causes, implicit
from persongen_bench.datasets.implicit import NegativeRule, Negatives
from persongen_bench.datasets.likes import CLICKS, likes
from persongen_bench.datasets.pseudo_users import PseudoSettings, PseudoTaste, simulate
from persongen_bench.datasets.tables import Table, read_table

REPEATS = (
    "Keep one of the rows, or say what counts: --data-option repeats=last (the latest), "
    "repeats=mean, or, where every row is a click, feedback=implicit."
)


class LogConfig(BaseConfig):
    """What the rows of a log mean."""

    feedback: Literal["ratings", "implicit"] = "ratings"
    """``ratings``: the column ``rating`` says how much an item is liked. ``implicit``: every row is
    an event such as a click, which is a like; dislikes are sampled from the unseen items."""
    negatives: Negatives = "popular"
    """How unseen items are sampled for ``implicit``: ``popular``, in proportion to the number of
    users who took the item, or ``uniform``."""
    negative_ratio: float = Field(default=1.0, gt=0, le=100)
    """Sampled unseen items per item that the user took."""
    like_threshold: float | None = Field(default=None, allow_inf_nan=False)
    """A rating of at least this is a like. Default: 4 of 5 stars, whole or half; 1 of 0 and 1 or of
    -1 and 1. On any other scale it must be named."""
    repeats: Literal["refuse", "last", "mean"] = "refuse"
    """What counts of several ratings of an item by one user: ``last``, the latest (of those of one
    time the highest), or their ``mean``."""
    seed: int = Field(default=0, ge=0)
    """Seed of the simulated people, and of the sampled unseen items."""


@dataclass(frozen=True)
class Log:
    """`INTERACTION_COLUMNS` in canonical order, with what a reader must know of them."""

    interactions: pd.DataFrame
    taste: PseudoTaste | None = None
    notes: tuple[str, ...] = ()


def read_log(path: Path, catalog: Catalog, config: LogConfig) -> Log:
    """The log in ``path``; raises `DataError` with file, row, likely cause and fix."""
    table = read_table(path)
    table.require(["user_id", "item_id"], optional=["rating", "timestamp"])
    _check_ids(table, catalog)
    if config.feedback == "implicit":
        return _implicit(table, catalog, config)
    if "rating" not in table.frame.columns:
        table.require(["rating"], fix=f"Add it. {CLICKS}.")
    if config.repeats == "refuse":
        table.unique(["user_id", "item_id"], REPEATS)
    rows = table.frame.assign(rating=table.numbers("rating"), timestamp=_times(table))
    kept = _without_repeats(rows, config, path)
    ratings, scale = kept["rating"].to_numpy(), rows["rating"].to_numpy()
    liked = likes(ratings, config.like_threshold, str(path), scale=scale)
    return Log(_interactions(kept, liked))


def simulated_log(catalog: Catalog, settings: PseudoSettings, config: LogConfig) -> Log:
    """The log of simulated people with their taste."""
    if config.feedback == "implicit":
        raise ConfigError(
            "feedback=implicit with pseudo_users: simulated people rate", fix="Leave one out."
        )
    log, taste = simulate(catalog, settings)
    rows = log.assign(timestamp=np.nan)
    where = f"{settings.n_users} simulated people"
    ratings = rows["rating"].to_numpy(dtype=np.float64)
    liked = likes(ratings, config.like_threshold, where, clicks=False)
    return Log(_interactions(rows, liked), taste)


def _check_ids(table: Table, catalog: Catalog) -> None:
    users, items, known = table.ids("user_id"), table.ids("item_id"), catalog.items.index
    unknown = ~items.isin(known).to_numpy()
    if not unknown.any():
        return
    first = str(items.iloc[int(np.argmax(unknown))])
    fix = causes.unknown_item(first, items.unique(), known) or "Add it to the items."
    shown = catalog.items.index[catalog.items["image"] == first]
    if len(shown):
        fix = f"It is the image of the item {shown[0]!r}: write that."
    if causes.swapped(users, items, known):
        fix = "The user ids are items: are the two columns swapped?"
    table.reject(unknown, "item_id {item_id} is not in the catalogue", fix)


def _implicit(table: Table, catalog: Catalog, config: LogConfig) -> Log:
    if config.like_threshold is not None or config.repeats != "refuse":
        raise ConfigError(
            "feedback=implicit: every row is a like, and repeated rows are counted",
            fix="Leave like_threshold and repeats out.",
        )
    rule = NegativeRule(config.negatives, config.negative_ratio, config.seed)
    events = implicit.counted(table.frame, _times(table))
    log = implicit.with_negatives(events, catalog.items.index, rule, str(table.path))
    return Log(canonical(log), notes=(*implicit.notes(log, rule), *_unread_ratings(table)))


def _unread_ratings(table: Table) -> tuple[str, ...]:
    """What is passed over where rows that are all likes have ratings of several values."""
    if "rating" not in table.frame.columns:
        return ()
    ratings = table.numbers("rating")
    what = "rating is {rating}, which is no event, but feedback=implicit makes every row a like"
    table.reject(ratings <= 0, what, "Remove such rows, or leave feedback=implicit out.")
    if len(np.unique(ratings)) == 1:
        return ()
    scale = f"{ratings.min():g} to {ratings.max():g}"
    return (f"The log's column rating ({scale}) was not read: every row counts as a like.",)


def _times(table: Table) -> Float[np.ndarray, " n"]:
    if "timestamp" not in table.frame.columns:
        return np.full(len(table), np.nan)
    return table.times("timestamp")


def _without_repeats(rows: pd.DataFrame, config: LogConfig, path: Path) -> pd.DataFrame:
    """One row per user and item, by the rule ``config.repeats``."""
    pair = ["user_id", "item_id"]
    repeated = rows.duplicated(pair, keep=False)
    if not repeated.any():
        return rows
    if config.repeats == "mean":
        groups = rows.groupby(pair, sort=True)
        return groups.agg(
            rating=("rating", _exact_mean), timestamp=("timestamp", "max")
        ).reset_index()
    if rows.loc[repeated, "timestamp"].isna().any():
        raise DataError(
            f"{path}: repeats=last, but {int(repeated.sum()):,} rows of repeated pairs of user and "
            "item do not all have a timestamp",
            fix="Add it, or use repeats=mean.",
        )
    ordered = rows.sort_values([*pair, "timestamp", "rating"], kind="stable")
    return ordered.drop_duplicates(pair, keep="last")


def _exact_mean(ratings: pd.Series) -> float:
    """The mean whatever the order of the rows, to the last bit."""
    return float(np.sort(ratings.to_numpy()).mean())


def _interactions(rows: pd.DataFrame, liked: Bool[np.ndarray, " n"]) -> pd.DataFrame:
    table = rows.assign(liked=liked)[list(INTERACTION_COLUMNS)]
    table = table.astype({"user_id": "str", "item_id": "str"})
    return canonical(table.astype({"rating": "float64", "timestamp": "float64"}))
