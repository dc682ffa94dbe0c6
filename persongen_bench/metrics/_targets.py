"""What an image is compared with: the reference, the history, or the user's held-out likes.

A value of a user is the mean over all pairs of one of the user's images and one of its targets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._space import rows_by_user, unit

Target = Literal["reference", "history", "held-out"]
"""``reference``: the reference item of the image's request; images without one have no pair.
``history``: the items of the request's history. ``held-out``: the user's held-out likes."""

TARGETS: tuple[Target, ...] = get_args(Target)
FAMILIES: dict[str, str] = {"reference": "reference", "history": "legacy", "held-out": "reference"}
SHOWS_NOT: dict[str, str] = {
    "reference": "Personalisation: a copy of the reference is the best answer for every user.",
    "history": "Taste: returning a history picture is the best answer to it.",
    "held-out": "How much of the likeness other people's images would have too.",
}


@dataclass(frozen=True)
class UserTargets:
    """The images of one user, the items they are compared with, and the pairs that count."""

    user: str
    rows: Int[np.ndarray, " n"]
    """Positions in ``context.samples``."""
    item_ids: tuple[str, ...]
    pairs: Bool[np.ndarray, "n m"]
    """``pairs[i, j]``: image ``rows[i]`` is compared with item ``item_ids[j]``."""

    def mean(self, values: Float[np.ndarray, "n m"]) -> float:
        """Mean over the pairs that count, each with the same weight; NaN where there are none."""
        return float(values[self.pairs].mean()) if self.pairs.any() else np.nan


def parse_target(name: str, argument: str | None) -> Target:
    """The target behind the ``@``; there is no default, since the three answer three questions."""
    for target in TARGETS:
        if argument == target:
            return target
    raise ConfigError(
        f"metric {name} needs a target, found {argument!r}",
        fix=f"Write one of {', '.join(f'{name}@{t}' for t in TARGETS)}.",
    )


def targets_by_user(context: ScoreContext, target: Target) -> Iterator[UserTargets]:
    """Every user of the protocol with the images and their targets (possibly none)."""
    held_out = context.test.liked_items
    for user, rows in rows_by_user(context):
        if target == "reference":
            yield _references(context, user, rows)
            continue
        ids = (context.histories if target == "history" else held_out).get(user, ())
        yield UserTargets(user, rows, tuple(ids), np.ones((len(rows), len(ids)), dtype=bool))


def _references(context: ScoreContext, user: str, rows: np.ndarray) -> UserTargets:
    samples = context.samples["sample_id"].to_numpy(dtype=object)[rows]
    own = [context.references.get(str(sample)) for sample in samples]
    ids = tuple(dict.fromkeys(item for item in own if item is not None))
    pairs = np.array([[item == one for one in ids] for item in own], dtype=bool)
    return UserTargets(user, rows, ids, pairs.reshape(len(rows), len(ids)))


def cosines(first: Embeddings, second: Embeddings) -> Float[np.ndarray, "n m"]:
    """Cosine of every row of ``first`` with every row of ``second``; float64 in [-1, 1]."""
    return np.asarray(np.clip(unit(first) @ unit(second).T, -1.0, 1.0))


def mean_cosine(context: ScoreContext, role: str, targets: UserTargets) -> float:
    """Mean cosine in ``role`` over the pairs of a user's images and items; NaN without pairs."""
    if not targets.pairs.any():
        return np.nan
    images = context.features(role)[targets.rows]
    return targets.mean(cosines(images, context.item_features(role, targets.item_ids)))


class TargetMetric:
    """Base: a metric ``name@TARGET``. A subclass has a card and says what a user's value is."""

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

    @abstractmethod
    def value(self, context: ScoreContext, targets: UserTargets) -> float:
        """One user's number; called for users with at least one pair."""

    def per_user(self, context: ScoreContext) -> pd.Series:
        """Mean over (image, target) pairs; NaN for users without a pair."""
        found = {
            targets.user: self.value(context, targets) if targets.pairs.any() else np.nan
            for targets in targets_by_user(context, self.target)
        }
        return pd.Series(found, dtype=float)


def target_info(card: MetricInfo, target: Target, argument: str) -> MetricInfo:
    """The card of ``name@argument``."""
    shows_not = " ".join(part for part in (card.shows_not, SHOWS_NOT[target]) if part)
    name, family = f"{card.name}@{argument}", FAMILIES[target]
    return replace(card, name=name, family=family, shows_not=shows_not)
