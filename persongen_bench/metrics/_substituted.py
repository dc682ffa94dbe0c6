"""Places of items with other pictures, by the rankers of the room `rankers`, in judging space.

The ranker is the metric's own: it is fitted on the training ratings with a seed that no run has,
on the features of `metrics._space.ROLE`. A method that is rewarded by a ranker of the same kind
has another one, of its own space; where the space is the same, the board marks the metric, as it
marks every metric that looks through weights that a method has used.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.types import content_hash
from persongen_bench.metrics._space import ROLE, rows_by_unit
from persongen_bench.rankers.micro import Micro
from persongen_bench.rankers.ranker import Ranker, RankingData
from persongen_bench.rankers.ranks import midrank, others, own_places, placed
from persongen_bench.rankers.vbpr import Vbpr

RankerName = Literal["micro", "vbpr"]
SEED = int(content_hash("the ranker that measures"), 16) >> 16
"""Of the fit; too large for the seed of any run."""
KINDS: dict[RankerName, type[Micro] | type[Vbpr]] = {"micro": Micro, "vbpr": Vbpr}


class Move(NamedTuple):
    """Ranks of one target, 1 the best, with its own picture and with a generated one."""

    old: float
    new: float


def open_judge(context: ScoreContext, name: RankerName) -> Ranker:
    """The fitted ranker over every known item; its weights are kept across runs."""
    return context.memo(f"ranker that measures|{name}", lambda: _open(context, name))


def _open(context: ScoreContext, name: RankerName) -> Ranker:
    known = {*context.train.catalog.ids, *context.test.catalog.ids, *context.references.values()}
    ids = sorted(known)
    data = RankingData.of(context.train, context.item_features(ROLE, ids), items=ids)
    ranker = KINDS[name]()

    def fit() -> dict[str, np.ndarray]:
        learner = KINDS[name]()
        learner.fit(data, SEED)
        return learner.weights()

    settings = [name, ranker.version, SEED, ranker.config.model_dump(mode="json")]
    where = [context.train.hash, content_hash(ids), context.encoder_signature(ROLE)]
    ranker.restore(data, context.instrument(["rankers", *settings, *where], fit))
    return ranker


def describe_judge(name: RankerName) -> str:
    """For signatures: every choice behind the ranker."""
    kind = KINDS[name]
    settings = content_hash(kind().config.model_dump(mode="json"))
    return f"ranker:{name}(visual,seed={SEED},settings={settings})|ranker-impl:{kind.version}"


def moves_by(context: ScoreContext, name: RankerName) -> dict[str, list[Move]]:
    """Per user the move of every image's target; none for a user whom the ranker lacks.

    The target is the request's reference, else the user's first held-out like.
    """
    moves: dict[str, list[Move]] = {user: [] for user in context.units}
    if not context.train.ratings.liked.any():
        return moves
    ranker, samples = open_judge(context, name), context.samples["sample_id"].astype(str).to_list()
    asked = [
        (user, row, target)
        for user, rows in rows_by_unit(context)
        for row in rows
        if user in ranker.data.user_row
        and (target := _target(context, user, samples[row])) is not None
    ]
    users = np.array([ranker.data.user_row[user] for user, _, _ in asked], dtype=np.intp)
    items = np.array([ranker.data.item_row[item] for _, _, item in asked], dtype=np.intp)
    rows = np.array([row for _, row, _ in asked], dtype=np.intp)
    pairs, place = np.unique(np.stack([users, items]), axis=1, return_inverse=True)
    old = own_places(ranker, *pairs).rank[place.ravel()]
    new = placed(ranker, users, items, context.features(ROLE)[rows]).rank
    for (user, _, _), before, after in zip(asked, old, new, strict=True):
        moves[user].append(Move(float(before), float(after)))
    return moves


def _target(context: ScoreContext, user: str, sample: str) -> str | None:
    likes = context.test.liked_items.get(user, ())
    return context.references.get(sample, likes[0] if likes else None)


def judge_auc(context: ScoreContext, name: RankerName) -> float:
    """Mean over users: chance that a held-out like outranks another item that they have not rated.

    NaN where nobody has one.
    """
    if not context.train.ratings.liked.any():
        return 0.5
    ranker, likes = open_judge(context, name), context.test.liked_items
    chances = []
    for user in context.units:
        own = [ranker.data.item_row[item] for item in likes.get(user, ())]
        if user in ranker.data.user_row and own:
            row = ranker.data.user_row[user]
            rest = others(ranker, [row], [own[0]])[0]
            rest[own] = False
            scores = ranker.scores([row])[0]
            if rest.any():
                places = midrank(scores[own], scores[rest])
                chances.append(1 - float(np.mean(places - 1)) / int(rest.sum()))
    return float(np.mean(chances)) if chances else np.nan
