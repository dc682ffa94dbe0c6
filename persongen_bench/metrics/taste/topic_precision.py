"""Topic precision: images about what, or in the manner of what, the user likes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final, get_args

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._space import rows_by_unit
from persongen_bench.metrics.taste._topics import (
    CAPTIONER,
    TEXTS,
    Aspect,
    TopicConfig,
    Topics,
    describe_config,
    fit_topics,
    sample_topics,
)

SATURATED = 0.8
"""Share of catalogue items with a liked topic from which on chance is called high."""


@final
class TopicPrecision:
    """Share of a user's images whose topic is one that the user likes; in [0, 1].

    ``topic-precision@content`` and ``topic-precision@style`` (REBECA's workshop paper, 000, sec.
    4.4 "Topic modelling" and 4.5 "Topic precision"). Matched are topics of captions: the captioner
    describes every generated image and every item; its content words, or its style words, are
    embedded and assigned to the nearest topic of a model fitted on the items alone (`_topics`).
    An image counts if its topic is among the topics of the items that the user liked, in training
    or held out, as in the paper.

    The paper asks a language model for two captions, one of content and one of style, and an
    image may have several topics, all of which must be liked; here the words of one description
    are divided by a list, and each aspect has one topic.
    """

    arguments: ClassVar[tuple[str, ...]] = ("content", "style")
    example: ClassVar[str] = "content"
    config = TopicConfig()

    def __init__(self, aspect: Aspect) -> None:
        self.aspect = aspect
        self.info = MetricInfo(
            name=f"topic-precision@{aspect}",
            family="taste",
            direction="higher",
            range=(0.0, 1.0),
            unit="share of images",
            source="REBECA, paper 000, sec. 4.5, Figure 5",
            roles=(CAPTIONER, TEXTS),
            failed_value=0.0,
            personal=True,
            shows_not="How much a topic is liked: one like suffices, so users with many likes "
            "have nearly every topic. A copy of the history scores 1.",
        )

    @classmethod
    def parse(cls, argument: str | None) -> TopicPrecision:
        """``content`` or ``style``."""
        return cls(parse_choice("topic-precision", argument, get_args(Aspect), "an aspect"))

    def signature(self, context: ScoreContext) -> str:
        """Names captioner, text encoder and how topics are found."""
        details = f"{describe_config(self.config)}|liked:train+test"
        return build_signature(self.info, context, details, 1)

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """Warns where there are no topics, and where nearly every item has a liked one."""
        topics = self._topics(context)
        if len(topics.vectors) < 2:
            few = f"the captions form fewer than two {self.aspect} topics"
            return (f"{self.info.name} is undefined: {few}",)
        by_chance = [chance(topics, liked) for liked in liked_topics(context, topics).values()]
        share = float(np.mean([c for c in by_chance if not np.isnan(c)] or [0.0]))
        if share <= SATURATED:
            return ()
        warning = (
            f"{self.info.name} is saturated: an item drawn at random has a liked topic with "
            f"probability {share:.2f} ({len(topics.vectors)} topics)"
        )
        return (warning,)

    def _topics(self, context: ScoreContext) -> Topics:
        return fit_topics(context, self.aspect, self.config)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or likes; for all where there are fewer than two topics."""
        topics = self._topics(context)
        if len(topics.vectors) < 2:
            return pd.Series(np.nan, index=list(context.units), dtype=float)
        of_sample = sample_topics(context, self.aspect, topics)
        liked = liked_topics(context, topics)
        shares = {
            user: float(np.isin(of_sample[rows], sorted(liked[user])).mean())
            if len(rows) and liked[user]
            else np.nan
            for user, rows in rows_by_unit(context)
        }
        return pd.Series(shares, dtype=float)


def liked_topics(context: ScoreContext, topics: Topics) -> dict[str, set[int]]:
    """Per user the topics of the liked items, training and held-out."""
    views = (context.train.liked_items, context.test.liked_items)
    return {
        user: {topics.of_item[item] for likes in views for item in likes.get(user, ())}
        for user in context.users
    }


def chance(topics: Topics, liked: set[int]) -> float:
    """Share of catalogue items whose topic is among ``liked``; NaN where there are none."""
    if not liked:
        return np.nan
    return float(np.isin(list(topics.of_item.values()), sorted(liked)).mean())
