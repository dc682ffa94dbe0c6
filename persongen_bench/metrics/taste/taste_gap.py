"""Own-minus-other gap: do my images suit me better than other people's images do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from persongen_bench import stats
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.near import near_miss
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.metrics._liked import liked_neighbours
from persongen_bench.metrics._space import ROLE, no_dislikes
from persongen_bench.metrics._verifier.config import PRESETS, role_of
from persongen_bench.metrics._verifier.instrument import (
    describe_unseen,
    fold_warnings,
    unseen_probabilities,
)
from persongen_bench.metrics._verifier.metric import DEFAULT

VERIFIER = "verifier"
INSTRUMENTS = {
    "true": None,
    "neighbour": None,
    VERIFIER: DEFAULT,
    **{f"{VERIFIER}-{model}": model for model in PRESETS},
}
"""Argument => the verifier behind it; None: none is."""


@final
class TasteGap:
    """How much better own images suit a user than leniency and quality explain; 0: not personal.

    The score that a user gives is compared with what the user's leniency and the picture's quality
    predict, fitted together on the logit scale over all users and images (the Rasch model); the
    gap is the mean of these differences over the own images, less the mean over everybody else's.
    Making the same good pictures for everyone gives 0, however good they are; so does giving the
    better pictures to the more lenient people, or to the stricter ones.

    The score is the true taste where it is known, otherwise whether the nearest item of the user's
    held-out pool is liked (undefined for users whose pool holds no likes, or no dislikes);
    ``taste-gap@true``, ``taste-gap@neighbour`` and ``taste-gap@verifier`` choose explicitly, the
    last one the like-probability by a verifier that has not seen the rated picture nearest to the
    image: by ``mf``, or by the one named, as in ``taste-gap@verifier-neumf``. On a board of a few
    users, where pictures of low quality suit their owner alone, the difference can pass 1, and is
    cut there.
    With U users, a method that is given the wrong user is expected at ``-gap / (U - 1)``.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="taste-gap",
        family="taste",
        direction="higher",
        range=(-1.0, 1.0),
        unit="difference of like probabilities",
        source="identity-swap null of this benchmark on Rasch residuals (Rasch 1960; Andersen, "
        "JRSS B 34, 1972); cf. REBECA, paper 001, sec. 4.5",
        shows_not="Whether the images are liked at all: only that they are liked by the right one.",
        personal=True,
        failed_value=-1.0,
    )

    arguments: ClassVar[tuple[str, ...]] = ("", "neighbour", "verifier")
    example: ClassVar[str] = ""

    def __init__(self, instrument: str | None) -> None:
        self._instrument = instrument
        name = self.card.name if instrument is None else f"{self.card.name}@{instrument}"
        self._model = None if instrument is None else INSTRUMENTS[instrument]
        self._role = ROLE if self._model is None else role_of(self._model)
        roles = () if instrument in (None, "true") else (self._role,)
        known = instrument == "true"
        self.info = replace(self.card, name=name, roles=roles, known_taste=known)

    @classmethod
    def parse(cls, argument: str | None) -> TasteGap:
        """``None`` (automatic), ``true``, ``neighbour``, ``verifier`` or ``verifier-MODEL``."""
        if argument is not None and argument not in INSTRUMENTS:
            raise ConfigError(
                f"metric taste-gap: unknown instrument {argument!r}",
                fix=near_miss(argument, INSTRUMENTS, f"Use one of {', '.join(INSTRUMENTS)}."),
            )
        return cls(argument)

    def _chosen(self, context: ScoreContext) -> str:
        known = context.taste_signature is not None
        return self._instrument or ("true" if known else "neighbour")

    def signature(self, context: ScoreContext) -> str:
        """Names the instrument and its reader or encoder."""
        chosen = self._chosen(context)
        if chosen == "true":
            return f"{self.info.name}|in:u8|reader:{context.taste_signature}|impl:2"
        space = f"{ROLE}:{context.encoder_signature(self._role)}"
        how = "neighbour|sim:cosine" if self._model is None else describe_unseen(self._model)
        return f"{self.info.name}|in:u8|{space}|{how}|impl:2"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says where there is nothing to tell likes from, and what to mind about a verifier."""
        if self._model is not None:
            return fold_warnings(context, self._model)
        return no_dislikes(context) if self._chosen(context) == "neighbour" else ()

    def scores(self, context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
        """``(n samples, n users asked)`` score of every image for these users, in [0, 1]."""
        if self._model is not None:
            return unseen_probabilities(context, self._model, users)
        if self._chosen(context) == "true":
            return context.taste(users)
        return liked_neighbours(context, users)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The gap of every user; NaN for users without images, and for a user alone."""
        left = stats.residuals_of(self, context)
        cut = np.clip(stats.taste_gap(left.table), *self.card.range)
        gaps = pd.Series(cut, index=list(left.users), dtype=float)
        return gaps.reindex(list(context.units))
