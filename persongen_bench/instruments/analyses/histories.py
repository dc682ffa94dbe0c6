"""What part of a history tells a ranker most: RAGAR's figure 2 (paper 002).

For a user and a reference, one of their held-out likes, the training likes are ordered by the
likeness of their captions to the reference's. Three histories of k items are cut from them: *Ret*,
the first k; *Exp-Ret*, the next k; *Random*, k of the rest. Each makes a person of its own, known
by these k likes alone, beside all people that are not asked; a ranker is trained on them and asked
for what the user really liked. The paper says that Ret is above Exp-Ret, and both above Random; it
does not say what was to be found, so both are shown: the reference, which a history that resembles
it must favour, and the user's other held-out likes, which tell of taste.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.instruments.analyses.outcome import Outcome, fitted, outcome
from persongen_bench.metrics._space import ROLE, unit_rows
from persongen_bench.metrics.similarity._captions import item_texts
from persongen_bench.rankers.measures import measured, order_auc
from persongen_bench.rankers.ranker import Ranker, RankingData

ARMS = ("Ret", "Exp-Ret", "Random")
PAIRS = (("Ret", "Random"), ("Exp-Ret", "Random"), ("Ret", "Exp-Ret"))
TEXTS = "clip"


@dataclass(frozen=True)
class HistoryPlan:
    """How the analysis is made."""

    k: int = 5
    """Items of a history."""
    n_references: int = 4
    """References of a user: the first held-out likes."""
    top: int = 20
    """Length of the lists that recall and NDCG look at."""
    ranker: Literal["vbpr", "micro"] = "vbpr"
    n_seeds: int = 3
    """Rankers trained for each kind of history."""


class _Asked(NamedTuple):
    """One user and reference, by position in the data."""

    user: int
    reference: int
    histories: dict[str, np.ndarray]
    """Arm => items."""


def histories(
    context: ScoreContext, plan: HistoryPlan, progress: Progress = no_progress
) -> Outcome:
    """Recall and NDCG of the three kinds of history, paired by user.

    Raises:
        DataError: if nobody has a held-out like and more than ``2 k`` training likes.
    """
    data = _data(context)
    asked = _asked(context, data, plan)
    if not asked:
        raise DataError(
            f"nobody has a held-out like and {3 * plan.k} training likes",
            fix="Choose a smaller k or another split.",
        )
    held = _held_out(context, data)
    jobs = [(arm, seed) for arm in ARMS for seed in range(plan.n_seeds)]
    found: dict[str, list[dict[str, np.ndarray]]] = {arm: [] for arm in ARMS}
    for arm, seed in progress(jobs, "train rankers on histories", len(jobs)):
        ranker = fitted(plan.ranker, _with_people(data, asked, arm), seed)
        found[arm].append(_values(ranker, data, asked, held, plan.top))
    values = {
        arm: {name: np.stack([one[name] for one in seeds], axis=1) for name in seeds[0]}
        for arm, seeds in found.items()
    }
    n_users = len({one.user for one in asked})
    title = f"Histories of {plan.k} items: {n_users} users, {len(asked)} references"
    return outcome(title, (f"Ranker {plan.ranker}, {plan.n_seeds} seeds.",), values, PAIRS)


def cut(
    likeness: Float[np.ndarray, " n"], k: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Positions of the items of each kind of history; ``n >= 3 k``."""
    order = np.argsort(-likeness, kind="stable")
    rest = rng.choice(order[2 * k :], k, replace=False)
    return {"Ret": order[:k], "Exp-Ret": order[k : 2 * k], "Random": rest}


def _data(context: ScoreContext) -> RankingData:
    ids = sorted({*context.train.catalog.ids, *context.test.catalog.ids})
    return RankingData.of(context.train, context.item_features(ROLE, ids), items=ids)


def _asked(context: ScoreContext, data: RankingData, plan: HistoryPlan) -> list[_Asked]:
    asked = []
    for user in context.users:
        own = context.train.liked_items.get(user, ())
        references = context.test.liked_items.get(user, ())[: plan.n_references]
        if len(own) < 3 * plan.k or not references:
            continue
        words = unit_rows(context.text_features(TEXTS, item_texts(context, [*own, *references])))
        likeness = words[len(own) :] @ words[: len(own)].T
        items = np.array([data.item_row[item] for item in own])
        for n, (reference, row) in enumerate(zip(references, likeness, strict=True)):
            rng = np.random.default_rng([data.user_row[user], n])
            chosen = {arm: items[places] for arm, places in cut(row, plan.k, rng).items()}
            asked.append(_Asked(data.user_row[user], data.item_row[reference], chosen))
    return asked


def _with_people(data: RankingData, asked: list[_Asked], arm: str) -> RankingData:
    """Without the ratings of those asked; with one person for each history, who likes it."""
    kept = ~np.isin(data.user, sorted({one.user for one in asked}))
    items = [one.histories[arm] for one in asked]
    people = len(data.users) + np.repeat(np.arange(len(asked)), [len(own) for own in items])
    names = tuple(f"{data.users[one.user]}, history {n}" for n, one in enumerate(asked))
    return replace(
        data,
        users=data.users + names,
        user=np.concatenate([data.user[kept], people]),
        item=np.concatenate([data.item[kept], *items]),
        liked=np.concatenate([data.liked[kept], np.ones(len(people), dtype=bool)]),
    )


class _HeldOut(NamedTuple):
    """Held-out ratings, by position."""

    user: np.ndarray
    item: np.ndarray
    liked: np.ndarray

    def table(self, shape: tuple[int, int]) -> Bool[np.ndarray, "users items"]:
        """The likes among them."""
        likes = np.zeros(shape, dtype=bool)
        likes[self.user[self.liked], self.item[self.liked]] = True
        return likes


def _held_out(context: ScoreContext, data: RankingData) -> _HeldOut:
    ratings = context.test.ratings
    known = np.array([user in data.user_row for user in ratings.users])[ratings.user]
    user = np.array([data.user_row.get(user, -1) for user in ratings.users])[ratings.user]
    item = np.array([data.item_row[item] for item in ratings.items])[ratings.item]
    return _HeldOut(user[known], item[known], ratings.liked[known])


def _values(
    ranker: Ranker, data: RankingData, asked: list[_Asked], held: _HeldOut, top: int
) -> dict[str, np.ndarray]:
    """Per user with a reference the mean of each measure over their references."""
    shape, n = ranker.data.rated.shape, len(data.users)
    people, users = n + np.arange(len(asked)), np.array([one.user for one in asked])
    likes = held.table((n, shape[1]))[users]
    hidden, reference, others = (np.zeros(shape, dtype=bool) for _ in range(3))
    hidden[people] = data.rated[users]
    reference[people, [one.reference for one in asked]] = True
    others[people] = likes
    others &= ~reference
    found = {}
    for name, wanted in (("reference", reference), ("other likes", others)):
        values = measured(ranker, wanted, top, hidden)
        for measure in ("recall", "ndcg"):
            found[f"{measure}@{top} of {name}"] = values[measure][people]
    found["order of held-out ratings"] = _orders(ranker, users, people, held)
    return {name: _by_user(values, users) for name, values in found.items()}


def _orders(
    ranker: Ranker, users: np.ndarray, people: np.ndarray, held: _HeldOut
) -> Float[np.ndarray, " asked"]:
    """Chance that a held-out like is above a held-out dislike, for each history."""
    parts = [np.flatnonzero(held.user == user) for user in users]
    rows = np.concatenate(parts)
    who = np.repeat(people, [len(part) for part in parts])
    return np.asarray(order_auc(ranker, who, held.item[rows], held.liked[rows])[people])


def _by_user(values: np.ndarray, users: np.ndarray) -> Float[np.ndarray, " users"]:
    """Means over the references of each user; NaN where none has a value."""
    means = []
    for user in np.unique(users):
        own = values[users == user]
        means.append(float(np.nanmean(own)) if not np.isnan(own).all() else np.nan)
    return np.array(means)
