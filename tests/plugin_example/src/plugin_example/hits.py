"""Hits: whether a list has something near its top that the user will like."""

from __future__ import annotations

from typing import ClassVar, Self, final

import numpy as np
import pandas as pd

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.output import Ranking

NAME = "plugin-example/hits"
"""As it is registered: boards and tables know a metric by this name."""


@final
class Hits:
    """Share of a user's lists with a held-out like among the first k items; in [0, 1]."""

    arguments: ClassVar[tuple[str, ...]] = ("5", "10")
    example: ClassVar[str] = "5"

    def __init__(self, k: int) -> None:
        self.k = k
        self.info = MetricInfo(
            name=f"{NAME}@{k}",
            family="example",
            direction="higher",
            range=(0.0, 1.0),
            unit="share of lists",
            source="this package",
            reads="ranking",
            failed_value=0.0,
            shows_not="Where in the list it stands, and whether there are more of them.",
        )

    @classmethod
    def parse(cls, argument: str | None) -> Self:
        """A positive number of items."""
        if argument is None or not argument.isdecimal() or int(argument) < 1:
            raise ConfigError(
                f"metric {NAME} needs a count, found {argument!r}", fix=f"Write {NAME}@5."
            )
        return cls(int(argument))

    def signature(self, context: ScoreContext) -> str:
        """Name and version: no model is looked through."""
        return f"{self.info.name}|impl:1"

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """Mean over a unit's lists; NaN for units without a list or without held-out likes."""
        lists = context.outputs(range(len(context.samples)))
        users = [str(user) for user in context.samples["user_id"]]
        values = [self._hit(context, *one) for one in zip(users, lists, strict=True)]
        by_unit = pd.Series(values, dtype=float).groupby(context.samples["unit"].to_numpy())
        return by_unit.mean().reindex(list(context.units))

    def _hit(self, context: ScoreContext, user: str, ranking: Ranking) -> float:
        liked = set(context.test.liked_items.get(user, ()))
        return float(bool(liked & set(ranking.item_ids[: self.k]))) if liked else np.nan
