"""What many metrics share: the rows of units and of requests, and cosine geometry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.request import Request, unit_of
from persongen_bench.core.types import Embeddings, ScoreMatrix, Unit
from persongen_bench.util.batching import blocks
from persongen_bench.util.vectors import unit_rows as unit_rows

ROLE = "judge_encoder"
"""The judging space: an encoder that no method is fitted in, where the stack has one."""
_USERS = 64
"""Users whose own samples are looked at in one call."""


class AnsweredRequest(NamedTuple):
    """The delivered samples of one request, at least one."""

    request: Request
    unit: str
    rows: Int[np.ndarray, " n"]
    """Positions in ``context.samples``."""


def rows_by_unit(context: ScoreContext) -> Iterator[tuple[str, Int[np.ndarray, " n"]]]:
    """Every unit of the protocol with the positions of its samples (possibly none)."""
    groups = context.samples.groupby("unit").indices
    for unit in context.units:
        yield unit, np.asarray(groups.get(unit, []), dtype=np.intp)


def rows_by_request(context: ScoreContext) -> Iterator[AnsweredRequest]:
    """The answered requests with the positions of their samples, by unit, then by request."""
    ids = context.samples["sample_id"].to_numpy(dtype=object)
    requests = context.samples["request_id"].to_numpy(dtype=object)
    for unit, rows in rows_by_unit(context):
        for request in sorted(set(requests[rows])):
            own = rows[requests[rows] == request]
            yield AnsweredRequest(context.requests[str(ids[own[0]])], unit, own)


def mean_per_unit(context: ScoreContext, values: np.ndarray) -> pd.Series:
    """Mean of one value per sample over each unit's samples; NaN for units without any."""
    means = {
        unit: float(values[rows].mean()) if len(rows) else np.nan
        for unit, rows in rows_by_unit(context)
    }
    return pd.Series(means, dtype=float)


def mean_over_requests(
    context: ScoreContext, value: Callable[[AnsweredRequest], float]
) -> pd.Series:
    """Per unit the mean of ``value`` over its answered requests; NaN for units without a value.

    Requests are weighted by their delivered samples, so that an undelivered sample that counts a
    failed value later counts in its own request (exactly where all ask for as many samples).
    Requests without a value (NaN) are left out.
    """
    values: dict[str, list[tuple[float, int]]] = {unit: [] for unit in context.units}
    for answered in rows_by_request(context):
        number = value(answered)
        if not np.isnan(number):
            values[answered.unit].append((number, len(answered.rows)))
    return pd.Series({unit: _weighted(own) for unit, own in values.items()}, dtype=float)


class AskedRequest(NamedTuple):
    """One request, answered or not."""

    request: Request
    unit: str
    n_asked: int
    """Samples asked for; n >= 1."""
    rows: Int[np.ndarray, " n"]
    """Positions of those delivered in ``context.samples``; possibly none."""


def asked_requests(context: ScoreContext) -> Iterator[AskedRequest]:
    """Every request of the units that have a sample, by unit, then by request."""
    counts = Counter(request.request_id for request in context.requests.values())
    by_id = {request.request_id: request for request in context.requests.values()}
    names = [context.requests[str(s)].request_id for s in context.samples["sample_id"]]
    rows_of = pd.DataFrame({"request": names}).groupby("request").indices
    answered = dict(zip(names, context.samples["unit"], strict=True))
    present, users = set(answered.values()), set(context.users)

    def own_unit(name: str) -> str:
        kind: Unit = "user" if present <= users else "prompt"
        return answered.get(name) or unit_of(by_id[name], kind)

    for unit, name in sorted((own_unit(name), name) for name in by_id):
        if unit in present:
            rows = np.asarray(rows_of.get(name, []), dtype=np.intp)
            yield AskedRequest(by_id[name], unit, counts[name], rows)


def mean_over_asked(context: ScoreContext, value: Callable[[AskedRequest], float]) -> pd.Series:
    """Per unit the mean of ``value`` over its requests, answered or not; NaN without a sample.

    For numbers that are no mean over samples: ``value`` lets undelivered samples count. Requests
    are weighted by the samples asked for; those without a value (NaN) are left out.
    """
    values: dict[str, list[tuple[float, int]]] = {unit: [] for unit in context.units}
    for asked in asked_requests(context):
        number = value(asked)
        if not np.isnan(number):
            values[asked.unit].append((number, asked.n_asked))
    return pd.Series({unit: _weighted(own) for unit, own in values.items()}, dtype=float)


def mean_over_pairs(context: ScoreContext, value: Callable[[np.ndarray], float]) -> pd.Series:
    """`mean_over_asked` of a mean over pairs of a request's samples, given their rows.

    A pair that lacks a sample counts 0. NaN without a request of two samples.
    """

    def of_request(asked: AskedRequest) -> float:
        n, m = asked.n_asked, len(asked.rows)
        if n < 2:
            return np.nan
        return value(asked.rows) * (m * (m - 1)) / (n * (n - 1)) if m > 1 else 0.0

    return mean_over_asked(context, of_request)


def _weighted(values: list[tuple[float, int]]) -> float:
    """Weighted mean; a single value stays as it is, to the last bit."""
    if len(values) < 2:
        return values[0][0] if values else np.nan
    numbers, weights = zip(*values, strict=True)
    return float(np.average(numbers, weights=weights))


def held_out_pool(context: ScoreContext, user: str) -> tuple[list[str], np.ndarray]:
    """A user's held-out items in id order, and which of them the user liked."""
    pools = context.memo("held-out pools", lambda: _held_out_pools(context))
    return pools.get(user, ([], np.zeros(0, dtype=bool)))


def _held_out_pools(context: ScoreContext) -> dict[str, tuple[list[str], np.ndarray]]:
    rows = context.test.interactions.sort_values(["user_id", "item_id"], kind="stable")
    return {
        str(user): (own["item_id"].astype(str).tolist(), own["liked"].to_numpy(dtype=bool))
        for user, own in rows.groupby("user_id")
    }


def no_dislikes(context: ScoreContext) -> tuple[str, ...]:
    """A caveat where nobody dislikes anything held out, as in a log of clicks without ratings."""
    rows = context.test.interactions
    own = rows[rows["user_id"].isin(list(context.users))]
    if own.empty or not own["liked"].all():
        return ()
    said = (
        "the held-out part holds no dislikes (a log of likes or clicks alone?): every image hits a "
        "like, so the number says nothing"
    )
    return (said,)


def nearest_in_pool(
    context: ScoreContext, user: str, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the user's pool nearest (cosine) to the given samples, and the pool's likes.

    The first in item-id order wins a tie. An empty pool gives no positions.
    """
    ids, liked = held_out_pool(context, user)
    if not ids or not len(rows):
        return np.zeros(0, dtype=np.intp), liked
    pool = unit_rows(context.item_features(ROLE, ids))
    return np.argmax(unit_rows(context.features(ROLE)[rows]) @ pool.T, axis=1), liked


def nearest_by_user(context: ScoreContext) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`nearest_in_pool` of every user's own samples; searched once for every metric."""
    return context.memo(
        f"nearest in pool|{ROLE}",
        lambda: {
            user: nearest_in_pool(context, user, rows) for user, rows in rows_by_unit(context)
        },
    )


def own_scores(
    context: ScoreContext, scores_of: Callable[[Sequence[str], np.ndarray], ScoreMatrix]
) -> Float[np.ndarray, " n"]:
    """Score of every sample by the user it was made for.

    ``scores_of(users, rows)``: scores of some samples by some users. It is asked for a few users
    at a time and for their own samples alone, so that the cost grows as the samples do.
    """
    owners = pd.Index(context.samples["user_id"])
    users = pd.Index(sorted(set(owners)))
    column = users.get_indexer(owners)
    order = np.argsort(column, kind="stable")
    own = np.full(len(owners), np.nan)
    for part in blocks(len(users), _USERS):
        first, last = np.searchsorted(column[order], [part.start, part.stop])
        rows = order[first:last]
        scores = scores_of(users[part].tolist(), rows)
        own[rows] = scores[np.arange(len(rows)), column[rows] - part.start]
    return own


def pairwise_best(a: Embeddings, b: Embeddings) -> np.ndarray:
    """Highest cosine of every row of ``a`` with the rows of ``b``."""
    return np.asarray((unit_rows(a) @ unit_rows(b).T).max(axis=1))
