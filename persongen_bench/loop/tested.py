"""The permutation tests of a run: by whose scores, with which statistic, on which images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench import stats
from persongen_bench.core.metric import Metric
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.numbers import generator
from persongen_bench.loop.schema import Null, RunConfig, TestSummary
from persongen_bench.loop.taste_instruments import Instrument, of_metric, open_instrument

N_PERMUTATIONS = 1000
"""REBECA's B (paper 001, Algorithm 2)."""
LARGEST_IMAGE_TEST = 1 << 26
"""Scores of images for users that the image-level test may hold in memory (512 MiB)."""
PREFIX = "permutation."
BLOCK = "mean of users' residuals"
"""The reading of the block test: mean over users of the mean residual of the own images."""
READINGS: Mapping[str, tuple[stats.ImageStatistic, str]] = {
    "image": ("median", "median of users' means"),
    "image-medians": ("median-of-images", "median of users' medians"),
    "image-mean": ("mean", "mean of users' means"),
}
"""Image-level test => its statistic and how this is printed (`stats.image_permutation_test`)."""

Dice: TypeAlias = Callable[[str], np.random.Generator]
"""``block`` or ``image`` => the generator of that test."""


def permutation_tests(
    evaluation: Evaluation, metrics: Sequence[Metric], rng: np.random.Generator
) -> dict[str, TestSummary]:
    """The tests that every run has: block, then image-level, by the first taste instrument.

    The block test permutes residuals (`stats.residuals_of`); the image-level test the scores
    themselves, as published, and is left out beyond `LARGEST_IMAGE_TEST`. None where there is no
    such instrument, no image, or where the unit is not the user.
    """
    instruments = filter(None, map(of_metric, metrics))
    for instrument in instruments:
        readings = {"image": READINGS["image"]}
        return dict(_tests(_Asked(instrument, evaluation, readings), lambda _: rng))
    return {}


def asked_tests(evaluation: Evaluation, config: RunConfig) -> dict[str, TestSummary]:
    """The tests by the instruments of ``config.permute``, each in all `READINGS`.

    Keys end in ``@INSTRUMENT``. A test's random numbers hang on the run, the instrument and whether
    whole users or images are permuted, so that no test moves another, and all readings of one are
    of the same permutations. With ``config.permute_images`` everybody's first so many images, by
    index, take part.
    """
    made: dict[str, TestSummary] = {}
    for said in dict.fromkeys(config.permute):
        asked = _Asked(open_instrument(said), evaluation, READINGS, config.permute_images)

        def dice(test: str, said: str = said) -> np.random.Generator:
            return generator(config, "permutation", said, test)

        made |= {f"{name}@{said}": summary for name, summary in _tests(asked, dice)}
    return made


@dataclass(frozen=True)
class _Asked:
    """Which tests."""

    instrument: Instrument
    evaluation: Evaluation
    readings: Mapping[str, tuple[stats.ImageStatistic, str]]
    n_images: int | None = None
    """Of every user, at most."""

    def rows(self) -> Bool[np.ndarray, " samples"]:
        """Which samples take part."""
        samples = self.evaluation.samples
        if self.n_images is None:
            return np.ones(len(samples), dtype=bool)
        place = samples.sort_values("index", kind="stable").groupby("user_id").cumcount()
        return np.asarray(place.reindex(samples.index) < self.n_images)

    def residuals(self, rows: Bool[np.ndarray, " samples"]) -> stats.Residuals:
        """What is left of the scores of these samples."""
        scorer, context = self.instrument.scorer, self.evaluation
        if rows.all():
            return stats.residuals_of(scorer, context)
        users, owners = stats.owners_of(context)
        kept, table = stats.residual_table(
            lambda block: scorer.scores(context, users[block])[rows], owners[rows], len(users)
        )
        return stats.Residuals(tuple(users[k] for k in kept), table)

    def summary(self, result: stats.TestResult, reading: str, n_images: int) -> TestSummary:
        """As it is recorded."""
        return TestSummary(
            statistic=result.statistic,
            p_value=result.p_value,
            n_permutations=result.n_permutations,
            reading=reading,
            instrument=self.instrument.name,
            signature=self.instrument.scorer.signature(self.evaluation),
            n_images=n_images,
            null=None if result.null is None else Null.model_validate(vars(result.null)),
        )


def _tests(asked: _Asked, dice: Dice) -> Iterator[tuple[str, TestSummary]]:
    evaluation = asked.evaluation
    if evaluation.samples.empty or evaluation.unit != "user":
        return
    rows = asked.rows()
    left = asked.residuals(rows)
    if len(left.users) < 2:
        return
    rows = rows & evaluation.samples["user_id"].isin(left.users).to_numpy()
    n_images = int(rows.sum())
    result = stats.user_permutation_test(left.table, dice("block"), N_PERMUTATIONS)
    yield f"{PREFIX}block", asked.summary(result, BLOCK, n_images)
    if n_images * len(left.users) > LARGEST_IMAGE_TEST:
        return
    scores = asked.instrument.scorer.scores(evaluation, left.users)
    scores = scores if rows.all() else scores[rows]
    owners = pd.Index(left.users).get_indexer(pd.Index(evaluation.samples["user_id"][rows]))
    for name, (statistic, reading) in asked.readings.items():
        result = stats.image_permutation_test(
            scores, owners, dice("image"), N_PERMUTATIONS, statistic
        )
        yield f"{PREFIX}{name}", asked.summary(result, reading, n_images)
