"""Logs of events without ratings (clicks, purchases, downloads), made into likes and dislikes.

Every row is one event. What a user has events with they like; the rating of such a row is how many
events there were, and its time that of the latest. Nobody says what they dislike: as many items as
they like, or another stated ratio, are drawn for every user from the items that they have no event
with, in the whole log and before it is divided, so that none is a held-out like. These rows are
marked by the rating `SAMPLED`, which no event has.

``popular`` draws an item with a chance proportional to how many users have events with it: an item
is then about as often disliked as liked, and to know what is popular does not help to tell them
apart; what is left to find is taste. ``uniform`` draws all items equally often: what is popular is
then mostly liked. Draws are without repetition and hang on the seed, the user and the set of
events, not on the order of the rows or on who else is there but for the popularities.

Popularity-sampled negatives are those of word2vec and of rankings by sampled candidates; sampled
metrics are not those over all items (Krichene and Rendle, KDD 2020), and an item that was not
clicked may be unseen and not disliked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import INTERACTION_COLUMNS, content_hash

SAMPLED = 0.0
"""Rating of a row that was drawn and not found."""
Negatives = Literal["popular", "uniform"]


@dataclass(frozen=True)
class NegativeRule:
    """Which unseen items stand for dislikes."""

    draw: Negatives = "popular"
    ratio: float = 1.0
    """Sampled items per item that the user likes; rounded, at least one."""
    seed: int = 0


def counted(rows: pd.DataFrame, times: Float[np.ndarray, " n"]) -> pd.DataFrame:
    """One row per user and item with ``rating`` = events and ``timestamp`` = the latest, or NaN.

    ``rows``: columns ``user_id, item_id``; ``times``: Unix seconds or NaN. Sorted by both ids.
    """
    events = pd.DataFrame(
        {
            "user_id": rows["user_id"].to_numpy(),
            "item_id": rows["item_id"].to_numpy(),
            "timestamp": times,
        }
    )
    pairs = events.groupby(["user_id", "item_id"], sort=True)["timestamp"]
    table = pairs.agg(rating="size", timestamp="max").reset_index()
    return table.astype({"rating": np.float64})


def with_negatives(
    events: pd.DataFrame, items: Int[np.ndarray, " m"] | pd.Index, rule: NegativeRule, where: str
) -> pd.DataFrame:
    """`INTERACTION_COLUMNS`: the counted ``events`` as likes, and the sampled rows as dislikes.

    Args:
        events: as `counted` gives them.
        items: ids of the whole catalogue, sorted.
        rule: what is drawn.
        where: the file that errors name.

    Raises:
        DataError: if nobody has an unseen item to draw.
    """
    item_ids = pd.Index(items)
    rows = item_ids.get_indexer(pd.Index(events["item_id"]))
    weight = np.bincount(rows, minlength=len(item_ids)).astype(np.float64)
    if rule.draw == "uniform":
        weight = np.ones(len(item_ids))
    drawn = list(_drawn(events, rows, weight, rule))
    if not any(len(item) for _, item, _ in drawn):
        raise DataError(
            f"{where}: everybody has events with every item that could be drawn as unseen",
            fix="Add items that some people did not take, or use negatives=uniform.",
        )
    sampled = pd.DataFrame(
        {
            "user_id": np.repeat([user for user, _, _ in drawn], [len(i) for _, i, _ in drawn]),
            "item_id": item_ids.to_numpy()[np.concatenate([item for _, item, _ in drawn])],
            "rating": SAMPLED,
            "liked": False,
            "timestamp": np.concatenate([time for _, _, time in drawn]),
        }
    )
    both = pd.concat([events.assign(liked=True), sampled], ignore_index=True)
    both = both.astype({"user_id": "str", "item_id": "str", "liked": bool})
    return both[list(INTERACTION_COLUMNS)]


def _drawn(
    events: pd.DataFrame,
    rows: Int[np.ndarray, " n"],
    weight: Float[np.ndarray, " items"],
    rule: NegativeRule,
) -> Iterator[tuple[str, Int[np.ndarray, " k"], Float[np.ndarray, " k"]]]:
    """Per user the rows of unseen items and the times they get: those of the user's events."""
    times = events["timestamp"].to_numpy(dtype=np.float64)
    pool = np.flatnonzero(weight)
    rate = 1 / weight[pool]
    place = np.searchsorted(pool, rows)
    for user, places in events.groupby("user_id", sort=True).indices.items():
        rng = np.random.default_rng([rule.seed, int(content_hash(str(user)), 16)])
        waits = rng.exponential(size=len(pool)) * rate  # the first to come: drawn by weight
        waits[place[places]] = np.inf
        n = min(max(1, round(rule.ratio * len(places))), len(pool) - len(places))
        chosen = np.argpartition(waits, min(n, len(pool) - 1))[:n]
        chosen = chosen[np.argsort(waits[chosen])]
        yield str(user), pool[chosen], np.resize(times[rng.permutation(places)], n)


def notes(log: pd.DataFrame, rule: NegativeRule) -> tuple[str, ...]:
    """What a reader of a board must know of the likes and dislikes of such a ``log``."""
    liked = log["liked"].to_numpy(dtype=bool)
    how = "in proportion to how many users took them" if rule.draw == "popular" else "uniformly"
    n_without = log["user_id"].nunique() - log.loc[~liked, "user_id"].nunique()
    without = f" ({n_without:,} users took everything and have none)" if n_without else ""
    of_what = " of like popularity" if rule.draw == "popular" else ", popularity included"
    likes = (
        f"Nobody rated: the likes are {int(liked.sum()):,} pairs of user and item with "
        f"{int(log['rating'].sum()):,} events, and the dislikes are {int((~liked).sum()):,} "
        f"sampled unseen items, {rule.ratio:g} per like of each user, drawn {how} (seed "
        f"{rule.seed}){without}."
    )
    meaning = (
        "Every number that needs dislikes (taste-gap, taste-auc, precision, recall, base-rate, "
        "rank-change, calibration, the verifiers and their permutation tests) says how far taken "
        f"items are told from sampled unseen ones{of_what}, not what people said they dislike; an "
        "unseen item may be one that they would like."
    )
    return likes, meaning
