"""Rank change: does an item climb when its picture is replaced by the one made for the user?

Our definition. RAGAR (paper 002, "Evaluation Metrics") describes the metric in words only; its
equation 16 is unreadable in the text we have, and its numbers cannot be compared with these. The
ranker there is MICRO, which is the reward as well; here it is one that nobody is rewarded by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, final

import numpy as np

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._ranker import Ranker, RankerConfig, describe_config, open_ranker
from persongen_bench.metrics._space import ROLE, rows_by_unit
from persongen_bench.metrics._substituted import (
    Move,
    RankerName,
    describe_judge,
    judge_auc,
    moves_by,
)
from persongen_bench.rankers.ranks import midrank, top_weight

Form = Literal["top", "raw", "log"]
CHOICES: dict[str, tuple[RankerName | None, Form]] = {
    "top": (None, "top"),
    "raw": (None, "raw"),
    "log": (None, "log"),
    "micro": ("micro", "top"),
    "micro.raw": ("micro", "raw"),
    "micro.log": ("micro", "log"),
    "vbpr": ("vbpr", "top"),
    "vbpr.raw": ("vbpr", "raw"),
    "vbpr.log": ("vbpr", "log"),
}
"""What may stand behind the ``@``: the ranker, None for the one of `_ranker`, and the form."""
WEAK = 0.6
"""Chance that the ranker puts a held-out like above another item; below, the ranker is weak."""
_CARD = MetricInfo(
    name="",
    family="taste",
    direction="higher",
    range=(-np.inf, np.inf),
    unit="places",
    source="RAGAR, paper 002, Evaluation Metrics (its Eq. 16 is unreadable: our definition)",
    roles=(ROLE,),
    personal=True,
    shows_not="Likeness to the item: any picture of what the user likes climbs. It trusts a "
    "ranker fitted on this data, and depends on the number of items.",
)


@final
class RankChange:
    """How an item's rank for the user changes when its picture becomes the generated one.

    A ranker fitted on the training data in the judging space ranks, for each user, all training
    and held-out items that are not among the user's training ratings. The target is the request's
    reference (counted in even where it is among them). ``r_old`` is the target's rank with its own
    picture, ``r_new`` with the generated one in its place, the others' pictures unchanged.

    - ``rank-change@top``: mean over images (and targets) of ``g(r_new) - g(r_old)``,
      ``g(r) = 1 / log2(1 + r)``; in (-1, 1). Moves near the top weigh more, as in the paper.
    - ``rank-change@log``: mean of ``log2((1 + r_old) / (1 + r_new))``: a rank that halves counts
      about 1, wherever.
    - ``rank-change@raw``: median of ``r_old - r_new``, in places.

    These are by least squares on the pictures (`_ranker`); without a reference each of the user's
    held-out likes is a target in turn. ``rank-change@vbpr`` is the form ``top`` by VBPR, smooth in
    the picture, ``rank-change@micro`` by MICRO, the ranker of the paper, which sees a picture
    through the items whose neighbour it becomes; ``.raw`` and ``.log`` behind either are the other
    forms; without a reference the first held-out like is the target. Either ranker is the metric's
    own (`_substituted`): another seed and another space than those of a method's reward, and
    marked on the board where the space is the same.

    Higher is better in all. The original picture gives 0 by construction.
    """

    arguments: ClassVar[tuple[str, ...]] = ("top", "raw", "micro", "vbpr")
    example: ClassVar[str] = "top"
    config = RankerConfig()

    def __init__(self, form: Form, ranker: RankerName | None = None) -> None:
        self.form, self.ranker = form, ranker
        argument = next(text for text, chosen in CHOICES.items() if chosen == (ranker, form))
        self.info = replace(_CARD, name=f"rank-change@{argument}")
        if form == "top":
            unit = "difference of 1/log2(1 + rank)"
            self.info = replace(self.info, range=(-1.0, 1.0), unit=unit, failed_value=-1.0)
        if form == "log":
            self.info = replace(self.info, unit="log2 of a ratio of ranks")

    @classmethod
    def parse(cls, argument: str | None) -> RankChange:
        """One of `CHOICES`."""
        chosen = parse_choice("rank-change", argument, tuple(CHOICES), "a form or a ranker")
        ranker, form = CHOICES[chosen]
        return cls(form, ranker)

    def signature(self, context: ScoreContext) -> str:
        """Names the ranker with its settings and the candidates."""
        own = self.ranker
        said = describe_config(self.config) if own is None else describe_judge(own)
        details = f"{said}|candidates:all-but-own-training|ties:mean"
        return build_signature(self.info, context, details, 1)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Warns where the ranker hardly tells held-out likes from other items."""
        auc = context.memo(self._memo("auc"), lambda: self._auc(context))
        if np.isnan(auc) or auc >= WEAK:
            return ()
        weak = f"a held-out like above another item with probability {auc:.2f} only"
        return (f"{self.info.name}: the ranker puts {weak} (0.5 is blind)",)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images, without training ratings, or without a target."""
        moves = context.memo(self._memo("moves"), lambda: self._moves(context))
        summary = _FORMS[self.form]
        values = {user: summary(own) if own else np.nan for user, own in moves.items()}
        return pd.Series(values, dtype=float)

    def _moves(self, context: ScoreContext) -> dict[str, list[Move]]:
        if self.ranker is None:
            return all_moves(context, self.config)
        return moves_by(context, self.ranker)

    def _auc(self, context: ScoreContext) -> float:
        if self.ranker is None:
            return ranker_auc(context, self.config)
        return judge_auc(context, self.ranker)

    def _memo(self, what: str) -> str:
        return f"rank change|{what}|{self.ranker or self.config}"


def _top(moves: Sequence[Move]) -> float:
    return float(np.mean([top_weight(new) - top_weight(old) for old, new in moves]))


def _raw(moves: Sequence[Move]) -> float:
    return float(np.median([old - new for old, new in moves]))


def _log(moves: Sequence[Move]) -> float:
    return float(np.mean([np.log2((1 + old) / (1 + new)) for old, new in moves]))


_FORMS = {"top": _top, "raw": _raw, "log": _log}


class _Candidates(NamedTuple):
    """The items that are ranked for one user."""

    user: int
    """The user's row in the ranker."""
    row_of: dict[str, int]
    """Every known item's place in ``scores``."""
    scores: np.ndarray
    ranked: np.ndarray
    """Which of them are ranked: not those of the user's training ratings."""

    def others(self, target: str) -> np.ndarray:
        """Scores of all ranked items but the target."""
        kept = self.ranked.copy()
        kept[self.row_of[target]] = False
        return np.asarray(self.scores[kept])


def _candidates(context: ScoreContext, ranker: Ranker) -> Iterator[tuple[str, _Candidates]]:
    """Every user of the protocol whom the ranker knows, with the items ranked for them."""
    catalogues = (context.train.catalog.ids, context.test.catalog.ids)
    ids = sorted({*catalogues[0], *catalogues[1], *context.references.values()})
    row_of = {item: row for row, item in enumerate(ids)}
    projected = ranker.project(context.item_features(ROLE, ids))
    users = {user: row for row, user in enumerate(context.train.users)}
    rated = context.train.interactions.groupby("user_id")["item_id"]
    for user in context.units:
        if user in users:
            ranked = np.ones(len(ids), dtype=bool)
            ranked[[row_of[item] for item in rated.get_group(user)]] = False
            yield (
                user,
                _Candidates(users[user], row_of, ranker.rate(users[user], projected), ranked),
            )


def all_moves(context: ScoreContext, config: RankerConfig) -> dict[str, list[Move]]:
    """Per user the moves of every image and target; none for a user whom the ranker lacks."""
    ranker, features = open_ranker(context, config), context.features(ROLE)
    rows, samples = dict(rows_by_unit(context)), [str(s) for s in context.samples["sample_id"]]
    likes = context.test.liked_items
    moves: dict[str, list[Move]] = {user: [] for user in context.units}
    for user, candidates in _candidates(context, ranker):
        scores = ranker.score(candidates.user, features[rows[user]])
        by_target: dict[str, list[int]] = {}
        for k, row in enumerate(rows[user]):
            reference = context.references.get(samples[row])
            for target in (reference,) if reference is not None else likes.get(user, ()):
                by_target.setdefault(target, []).append(k)
        for target, images in by_target.items():
            moves[user] += _moves(candidates, target, scores[images])
    return moves


def _moves(candidates: _Candidates, target: str, scores: np.ndarray) -> list[Move]:
    """The moves of one target under the scores of several images."""
    others = candidates.others(target)
    (old,) = midrank(candidates.scores[candidates.row_of[target]], others)
    return [Move(float(old), float(new)) for new in midrank(scores, others)]


def ranker_auc(context: ScoreContext, config: RankerConfig) -> float:
    """Mean over users: chance that a held-out like outranks another candidate; NaN without any."""
    ranker, likes = open_ranker(context, config), context.test.liked_items
    chances = []
    for user, candidates in _candidates(context, ranker):
        own = [candidates.row_of[item] for item in likes.get(user, ())]
        rest = candidates.ranked.copy()
        rest[own] = False
        if own and rest.any():
            places = midrank(candidates.scores[own], candidates.scores[rest])
            chances.append(1 - float(np.mean(places - 1)) / int(rest.sum()))
    return float(np.mean(chances)) if chances else np.nan
