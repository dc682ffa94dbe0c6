"""Re-identification: can one tell from the images for whom they were made?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.core.near import near_miss
from persongen_bench.metrics._base import build_signature, parse_count
from persongen_bench.metrics._space import ROLE, rows_by_unit, unit_rows
from persongen_bench.metrics._verifier.config import PRESETS, role_of
from persongen_bench.metrics._verifier.instrument import (
    describe,
    predict,
    rated_features,
    warnings,
)
from persongen_bench.metrics._verifier.metric import in_space_of

_TIED = 1e-9
"""Scores this close, relative to the largest, are equal."""


@final
class Reidentification:
    """Share of users whose set of images points to them: top-k accuracy, in [0, 1].

    An attacker who knows everybody's training ratings sees all the images made for one user and
    ranks the users. ``reidentification@5``: by the cosine of the images' mean with the centroid
    of the user's training likes, both as unit vectors less the mean of all centroids.
    ``reidentification@5-mf``: by the mean logit of that verifier, less the user's mean over the
    rated training images, so that leniency does not decide. Chance is k / number of users. Who
    lacks an image counts as found: a set cannot be made safer by leaving out what gives it away.
    """

    arguments: ClassVar[tuple[str, ...]] = ("1", "5", "1-mf")
    example: ClassVar[str] = "2"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="reidentification",
        family="risk",
        direction="lower",
        range=(0.0, 1.0),
        unit="share of users",
        source="linkage attack on image sets (this benchmark)",
        roles=(ROLE,),
        personal=True,
        failed_value=1.0,
        failures="whole",
        shows_not="Whether the images fit: a taste that is met gives its owner away, so a "
        "personal method is above chance. Stronger attackers may find more.",
    )

    def __init__(self, k: int, model: str | None) -> None:
        self._k, self._model = k, model
        name = f"{self.card.name}@{k}" + (f"-{model}" if model else "")
        card = replace(self.card, name=name)
        self.info = card if model is None else in_space_of(model, card)

    @classmethod
    def parse(cls, argument: str | None) -> Reidentification:
        """``@k``, or ``@k-MODEL`` with a verifier."""
        count, dash, model = (argument or "").partition("-")
        if dash and model not in PRESETS:
            raise ConfigError(
                f"metric reidentification: unknown verifier {model!r}",
                fix=near_miss(
                    model,
                    PRESETS,
                    f"Use one of {', '.join(PRESETS)}, or {count} alone for centroids.",
                ),
            )
        return cls(parse_count(cls.card.name, count or None), model or None)

    def signature(self, context: ScoreContext) -> str:
        """Names the judge and the attacker."""
        how = describe(self._model) if self._model else "centroid:train-likes|sim:cosine"
        return build_signature(self.info, context, f"{how}|undelivered:found", 2)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Says what chance is, where k leaves nothing to find, and what is wrong with the judge."""
        n = int(self._candidates(context).sum())
        of_judge = warnings(context, self._model) if self._model else ()
        if self._k >= n:
            return (f"top {self._k} of {n} users is everybody: undefined", *of_judge)
        return (f"chance is {self._k}/{n} = {self._k / n:.3f}", *of_judge)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """1 or 0 (between them where ties decide).

        NaN for users without images or training ratings, and everywhere for k >= candidates.
        """
        by_user = dict(rows_by_unit(context))
        sets = [by_user.get(user, np.zeros(0, np.intp)) for user in context.users]
        made = np.array([len(rows) > 0 for rows in sets])
        candidates = self._candidates(context)
        values = np.full(len(sets), np.nan)
        asked = np.flatnonzero(made & candidates)
        if self._k < candidates.sum() and len(asked):
            columns = np.flatnonzero(candidates)
            scores = self._scores(context, [sets[k] for k in asked], columns)
            values[asked] = top_k(scores, np.searchsorted(columns, asked), self._k)
        return pd.Series(values, index=list(context.users)).reindex(list(context.units))

    def _candidates(self, context: ScoreContext) -> np.ndarray:
        if self._model is None:
            likes = context.train.liked_items
            return np.array([bool(likes.get(user)) for user in context.users])
        nothing = predict(context, self._model, rated_features(context, self._model)[:1])
        return np.asarray(np.isfinite(nothing).all(axis=0))

    def _scores(
        self, context: ScoreContext, sets: list[np.ndarray], columns: np.ndarray
    ) -> Float[np.ndarray, "sets candidates"]:
        if self._model is not None:
            usual = predict(context, self._model, rated_features(context, self._model)).mean(axis=0)
            made = (context.features(role_of(self._model), rows) for rows in sets)
            scores = [predict(context, self._model, images).mean(axis=0) for images in made]
            return np.asarray((np.stack(scores) - usual)[:, columns])
        likes = context.train.liked_items
        named = [list(likes[context.users[k]]) for k in columns]
        known = np.stack(
            [unit_rows(context.item_features(ROLE, ids)).mean(axis=0) for ids in named]
        )
        features = unit_rows(context.features(ROLE))
        seen = np.stack([features[rows].mean(axis=0) for rows in sets])
        centre = known.mean(axis=0)
        return np.asarray(unit_rows(seen - centre) @ unit_rows(known - centre).T)


def top_k(
    scores: Float[np.ndarray, "sets candidates"], true: Int[np.ndarray, " sets"], k: int
) -> Float[np.ndarray, " sets"]:
    """Probability that the true candidate is among the k best when ties are broken by lot."""
    own = scores[np.arange(len(true)), true][:, None]
    close = _TIED * max(1e-300, float(np.abs(scores).max()))
    better = (scores > own + close).sum(axis=1)
    tied = (np.abs(scores - own) <= close).sum(axis=1)
    return np.asarray(np.clip((k - better) / tied, 0.0, 1.0))
