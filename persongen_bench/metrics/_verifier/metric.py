"""What the metrics of a verifier share: the model behind the ``@``, and who gets a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature
from persongen_bench.metrics._space import ROLE
from persongen_bench.metrics._verifier.config import PRESETS, role_of
from persongen_bench.metrics._verifier.folds import N_FOLDS, Predictions
from persongen_bench.metrics._verifier.instrument import (
    describe,
    fold_warnings,
    held_out_predictions,
    warnings,
)

DEFAULT = "mf"


class OfVerifier:
    """A metric ``name@MODEL``, ``MODEL`` one of `PRESETS`; without one it is ``mf``."""

    card: ClassVar[MetricInfo]
    """Its `info`, but for the name, and the role in whose space the model works."""
    arguments: ClassVar[tuple[str, ...]] = ("", "neumf", "no-taste")
    """Of the cards and "all"; ``neumf-paper`` trains for hours and is never run unasked, nor is
    ``mf-abstract``, which knows neither leniency nor quality but through its factors."""
    example: ClassVar[str] = ""
    details: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def __init__(self, model: str | None = None) -> None:
        name = self.card.name if model is None else f"{self.card.name}@{model}"
        self.model = model or DEFAULT
        self.info = in_space_of(self.model, replace(self.card, name=name))

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """The name of a preset, or nothing."""
        if argument is not None and argument not in PRESETS:
            raise ConfigError(
                f"metric {cls.card.name}: unknown verifier {argument!r}",
                fix=f"Use one of {', '.join(PRESETS)}.",
            )
        return cls(argument)

    def signature(self, context: ScoreContext) -> str:
        """Names the judge, the preset and a hash of its settings."""
        parts = (describe(self.model), "fit:train-likes", self.details)
        return build_signature(self.info, context, "|".join(filter(None, parts)), self.version)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says why there is no number, or that the verifier is barely trained."""
        return warnings(context, self.model)


class OfInstrument(OfVerifier):
    """A metric of the verifier itself: the same for every run on the same data.

    It is computed on training ratings that the verifier predicts without having seen them or
    their images (`folds`). Users for whom nothing was asked are NaN; what was delivered is moot.
    """

    details: ClassVar[str] = f"folds:{N_FOLDS}-by-image"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """The same of the folds' verifiers."""
        return fold_warnings(context, self.model)

    def predictions(self, context: ScoreContext) -> Predictions | None:
        """Predictions of unseen ratings, computed once per model."""
        return context.memo(
            f"verifier predictions {self.model}",
            lambda: held_out_predictions(context, self.model),
        )


def in_space_of(model: str, card: MetricInfo) -> MetricInfo:
    """The card with the role of a preset in place of ``judge_encoder``."""
    return replace(card, roles=tuple(role_of(model) if r == ROLE else r for r in card.roles))


def judged(context: ScoreContext, users: Sequence[str], values: np.ndarray) -> pd.Series:
    """Values of ``users`` for the units of the context, NaN for those of whom nothing was asked."""
    of_units = pd.Series(values, index=list(users), dtype=float).reindex(list(context.units))
    return of_units.where(of_units.index.isin(list(context.n_asked)))


def user_fold(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Group of every rating (one per user and fold), and the user of every group."""
    n_folds = int(predictions.fold.max()) + 1
    n_users = len(predictions.ratings.users)
    group = predictions.ratings.user * n_folds + predictions.fold
    return group, np.repeat(np.arange(n_users), n_folds)
