"""Own-minus-other gap: do my images suit me better than other people's images do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from persongen_bench import stats
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.types import ScoreMatrix
from persongen_bench.metrics._space import ROLE, liked_neighbour_matrix, no_dislikes
from persongen_bench.metrics._verifier.instrument import describe, verifier_matrix
from persongen_bench.metrics._verifier.metric import DEFAULT

INSTRUMENTS = ("true", "neighbour", "verifier")


@final
class TasteGap:
    """Score a user gives the own images minus the mean over everybody else's; 0 = not personal.

    A method that makes the same good pictures for everyone gets 0, however good they are. The
    score is the true taste where it is known, otherwise whether the nearest item of the user's
    held-out pool is liked; ``taste-gap@true``, ``taste-gap@neighbour`` and ``taste-gap@verifier``
    (the like-probability of a trained verifier) choose explicitly.
    With U users, a method that is given the wrong user is expected at ``-gap / (U - 1)``.
    """

    card: ClassVar[MetricInfo] = MetricInfo(
        name="taste-gap",
        family="taste",
        direction="higher",
        range=(-1.0, 1.0),
        unit="difference of like probabilities",
        source="identity-swap null of this benchmark; cf. REBECA, paper 001, sec. 4.5",
        shows_not="Whether the images are liked at all: only that they are liked by the right one.",
        personal=True,
        failed_value=-1.0,
    )

    arguments: ClassVar[tuple[str, ...]] = ("", "neighbour", "verifier")
    example: ClassVar[str] = ""

    def __init__(self, instrument: str | None) -> None:
        self._instrument = instrument
        name = self.card.name if instrument is None else f"{self.card.name}@{instrument}"
        roles = () if instrument in (None, "true") else (ROLE,)
        known = instrument == "true"
        self.info = replace(self.card, name=name, roles=roles, known_taste=known)

    @classmethod
    def parse(cls, argument: str | None) -> TasteGap:
        """``None`` (automatic), ``true``, ``neighbour`` or ``verifier``."""
        if argument not in (None, *INSTRUMENTS):
            raise ConfigError(
                f"metric taste-gap: unknown instrument {argument!r}",
                fix=f"Use one of {', '.join(INSTRUMENTS)}.",
            )
        return cls(argument)

    def _chosen(self, context: ScoreContext) -> str:
        known = context.taste_signature is not None
        return self._instrument or ("true" if known else "neighbour")

    def signature(self, context: ScoreContext) -> str:
        """Names the instrument and its reader or encoder."""
        chosen = self._chosen(context)
        if chosen == "true":
            return f"{self.info.name}|in:u8|reader:{context.taste_signature}|impl:1"
        space = f"{ROLE}:{context.encoder_signature(ROLE)}"
        how = "neighbour|sim:cosine" if chosen == "neighbour" else describe(DEFAULT)
        return f"{self.info.name}|in:u8|{space}|{how}|impl:1"

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says where there is nothing to tell likes from."""
        return no_dislikes(context) if self._chosen(context) == "neighbour" else ()

    def matrix(self, context: ScoreContext) -> ScoreMatrix:
        """``(n samples, n users)`` score of every image for every user, for permutation tests."""
        chosen = self._chosen(context)
        if chosen == "true":
            return context.taste_matrix()
        if chosen == "verifier":
            return verifier_matrix(context, DEFAULT)
        return context.memo(f"liked neighbours|{ROLE}", lambda: liked_neighbour_matrix(context))

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """The gap of every user; NaN for users without images."""
        users = pd.Index(context.users)
        owners = users.get_indexer(pd.Index(context.samples["user_id"]))
        gaps = np.full(len(users), np.nan)
        present = np.unique(owners)
        if len(present) > 1:
            matrix = self.matrix(context)[:, present]
            blocks = stats.block_means(matrix, np.searchsorted(present, owners))
            gaps[present] = stats.taste_gap(blocks)
        return pd.Series(gaps, index=users).reindex(list(context.units))
