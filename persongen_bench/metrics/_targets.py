"""What an image is compared with: the reference, the history, or the user's held-out likes.

The value of a request is the mean over all pairs of one of its images and one of its targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._space import (
    AnsweredRequest,
    mean_over_requests,
    rows_by_request,
    unit_rows,
)

Target = Literal["reference", "history", "held-out"]
"""``reference``: the reference item of the request; requests without one have no value.
``history``: the items of the request's history. ``held-out``: the held-out likes of its user."""

TARGETS: tuple[Target, ...] = get_args(Target)
FAMILIES: dict[str, str] = {"reference": "reference", "history": "legacy", "held-out": "reference"}
SHOWS_NOT: dict[str, str] = {
    "reference": "Personalisation: a copy of the reference is the best answer for every user.",
    "history": "Taste: returning a history picture is the best answer to it.",
    "held-out": "How much of the likeness other people's images would have too.",
}
_NUMBERS = 1 << 24
"""Numbers in the vectors of several requests that are held together (64 MiB)."""


@dataclass(frozen=True)
class RequestTargets:
    """The images that answer one request, and the items each of them is compared with."""

    rows: Int[np.ndarray, " n"]
    """Positions in ``context.samples``; n >= 1."""
    item_ids: tuple[str, ...]


def parse_target(name: str, argument: str | None) -> Target:
    """The target behind the ``@``; there is no default, since the three answer three questions."""
    return parse_choice(name, argument, TARGETS, "a target")


def targets_of(context: ScoreContext, answered: AnsweredRequest, target: Target) -> RequestTargets:
    """What the images of a request are compared with (possibly nothing)."""
    request = answered.request
    ids: tuple[str, ...]
    if target == "reference":
        ids = () if request.reference is None else (request.reference,)
    elif target == "history":
        ids = request.history
    else:
        ids = context.test.liked_items.get(request.user_id, ())
    return RequestTargets(answered.rows, ids)


def mean_over_targets(
    context: ScoreContext, target: Target, value: Callable[[RequestTargets], float]
) -> pd.Series:
    """`mean_over_requests` of the requests that have a target; NaN for units without one."""

    def of_request(answered: AnsweredRequest) -> float:
        targets = targets_of(context, answered, target)
        return value(targets) if targets.item_ids else np.nan

    return mean_over_requests(context, of_request)


def mean_over_vectors(
    context: ScoreContext,
    target: Target,
    role: str,
    value: Callable[[Embeddings, Embeddings], float],
) -> pd.Series:
    """`mean_over_targets` of what a request's vectors in ``role`` and its targets' give.

    Vectors are read for several requests at once, as many as hold `_NUMBERS` numbers.
    """
    every = (targets_of(context, answered, target) for answered in rows_by_request(context))
    asked = [own for own in every if own.item_ids]
    values, start, most = dict[int, float](), 0, 1
    while start < len(asked):
        block = _several(asked[start:], most)
        rows, ids = np.concatenate([own.rows for own in block]), _items_of(block)
        images = context.features(role, rows)
        items = context.item_features(role, ids)
        of_row, of_item = ({name: k for k, name in enumerate(part)} for part in (rows, ids))
        for own in block:
            first = images[[of_row[row] for row in own.rows]]
            second = items[[of_item[item] for item in own.item_ids]]
            values[int(own.rows[0])] = value(first, second)
        start, most = start + len(block), _NUMBERS // images.shape[1]
    return mean_over_requests(context, lambda own: values.get(int(own.rows[0]), np.nan))


def _several(asked: Sequence[RequestTargets], most: int) -> list[RequestTargets]:
    """The first requests, at least one, with at most so many images and targets together."""
    sizes = np.cumsum([len(own.rows) + len(own.item_ids) for own in asked[: most + 1]])
    return list(asked[: max(1, int(np.searchsorted(sizes, most, side="right")))])


def _items_of(block: Sequence[RequestTargets]) -> list[str]:
    return list(dict.fromkeys(item for own in block for item in own.item_ids))


def cosines(first: Embeddings, second: Embeddings) -> Float[np.ndarray, "n m"]:
    """Cosine of every row of ``first`` with every row of ``second``; float64 in [-1, 1]."""
    return np.asarray(np.clip(unit_rows(first) @ unit_rows(second).T, -1.0, 1.0))


def mean_cosine(context: ScoreContext, role: str, targets: RequestTargets) -> float:
    """Mean cosine in ``role`` over the pairs of a request's images and its targets."""
    images = context.features(role)[targets.rows]
    return float(cosines(images, context.item_features(role, targets.item_ids)).mean())


class TargetMetric:
    """Base: a metric ``name@TARGET``. A subclass has a card and says what a unit's value is."""

    card: ClassVar[MetricInfo]
    """Without the target; the family and what the number does not show come from the target."""
    details: ClassVar[str] = ""
    """What besides name, target, models and version fixes the number."""
    version: ClassVar[int] = 1
    arguments: ClassVar[tuple[str, ...]] = TARGETS
    example: ClassVar[str] = "history"

    def __init__(self, target: Target) -> None:
        self.target: Target = target
        self.info = target_info(self.card, target, target)

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """``reference``, ``history`` or ``held-out``."""
        return cls(parse_target(cls.card.name, argument))

    def signature(self, context: ScoreContext) -> str:
        """Name with target, models, details, version."""
        return build_signature(self.info, context, self.details, self.version)


def target_info(card: MetricInfo, target: Target, argument: str) -> MetricInfo:
    """The card of ``name@argument``."""
    shows_not = " ".join(part for part in (card.shows_not, SHOWS_NOT[target]) if part)
    name, family = f"{card.name}@{argument}", FAMILIES[target]
    return replace(card, name=name, family=family, shows_not=shows_not)
