"""Topic precision: images about what, or in the manner of what, the user likes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Int

from persongen_bench.core.later import pd
from persongen_bench.core.metric import MetricInfo, ScoreContext
from persongen_bench.metrics._base import build_signature, parse_choice
from persongen_bench.metrics._space import rows_by_unit
from persongen_bench.metrics.taste._topics import (
    CAPTIONER,
    ONE,
    SEVERAL,
    TEXTS,
    Aspect,
    Membership,
    TopicConfig,
    Topics,
    describe_config,
    fit_topics,
    sample_topics,
)

FORMS: dict[str, tuple[Aspect, Membership]] = {
    "content": ("content", ONE),
    "style": ("style", ONE),
    "content-all": ("content", SEVERAL),
    "style-all": ("style", SEVERAL),
}
"""Argument => whose topics, and how many an image has."""
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

    In the paper an image may have several topics, all of which must be liked (a subset of the liked
    ones). That rule is ``topic-precision@content-all`` and ``topic-precision@style-all``: an image,
    generated or of the catalogue, has its nearest topic and those nearly as near, three at most:
    their cosine lies behind the nearest one's by no more than a fifth of what the median topic's
    does. Both numbers are ours, as the paper gives none.

    The rest differs from the paper in both forms. It asks GPT-4o-mini for two captions of every
    image, one of content and one of style (A.2); here the words of one description are divided by
    a list. Its contextual topic model (sentence-transformers, UMAP, clusters of several embeddings
    a caption) has 345 content and 255 style topics of FLICKR-AES; here PCA and HDBSCAN on the
    embeddings of the judge's text tower, one a caption, stand in for it, and the data decide how
    many topics there are. `pgbench audit topics RUN` prints them with their words.
    """

    arguments: ClassVar[tuple[str, ...]] = ("content", "style")
    example: ClassVar[str] = "content"
    config = TopicConfig()

    def __init__(self, aspect: Aspect, membership: Membership = ONE) -> None:
        self.aspect, self.membership = aspect, membership
        argument = next(text for text, chosen in FORMS.items() if chosen == (aspect, membership))
        self.info = MetricInfo(
            name=f"topic-precision@{argument}",
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
        """``content`` or ``style``; with ``-all`` an image has several topics."""
        return cls(*FORMS[parse_choice("topic-precision", argument, list(FORMS), "an aspect")])

    def signature(self, context: ScoreContext) -> str:
        """Names captioner, text encoder and how topics are found."""
        details = f"{describe_config(self.config, self.membership)}|liked:train+test"
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
            f"{self.info.name} is saturated: an item drawn at random has {self._hit} with "
            f"probability {share:.2f} ({len(topics.vectors)} topics)"
        )
        return (warning,)

    @property
    def _hit(self) -> str:
        return "a liked topic" if self.membership == ONE else "liked topics alone"

    def _topics(self, context: ScoreContext) -> Topics:
        return fit_topics(context, self.aspect, self.config, self.membership)

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """NaN for users without images or likes; for all where there are fewer than two topics."""
        topics = self._topics(context)
        if len(topics.vectors) < 2:
            return pd.Series(np.nan, index=list(context.units), dtype=float)
        of_sample = sample_topics(context, self.aspect, topics, self.membership)
        liked = liked_topics(context, topics)
        shares = {
            user: float(all_liked(of_sample[rows], liked[user]).mean())
            if len(rows) and liked[user]
            else np.nan
            for user, rows in rows_by_unit(context)
        }
        return pd.Series(shares, dtype=float)


def all_liked(topics: Int[np.ndarray, "n most"], liked: set[int]) -> Bool[np.ndarray, " n"]:
    """Which images have liked topics alone; -1 stands for no further topic."""
    return np.asarray((np.isin(topics, sorted(liked)) | (topics < 0)).all(axis=1))


def liked_topics(context: ScoreContext, topics: Topics) -> dict[str, set[int]]:
    """Per user the topics of the liked items, training and held-out."""
    views = (context.train.liked_items, context.test.liked_items)
    return {
        user: {
            topic
            for likes in views
            for item in likes.get(user, ())
            for topic in topics.of_item[item]
        }
        for user in context.users
    }


def chance(topics: Topics, liked: set[int]) -> float:
    """Share of catalogue items whose topics are all among ``liked``; NaN where there are none."""
    if not liked:
        return np.nan
    return float(np.mean([liked.issuperset(own) for own in topics.of_item.values()]))
