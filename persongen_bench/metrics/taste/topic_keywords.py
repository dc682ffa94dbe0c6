"""What topics are about: their images, their likes, and the words that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from persongen_bench.core.metric import ScoreContext
from persongen_bench.metrics.taste._topics import (
    CAPTIONER,
    Aspect,
    TopicConfig,
    fit_topics,
    spoken,
)

KEYWORDS = 5
"""Of a topic, as printed in the paper (000, A.2)."""
DEFAULT = TopicConfig()
"""How `topic-precision` finds its topics."""
_DECIMALS = 12
"""Weights that agree to this many decimals are tied."""


@dataclass(frozen=True)
class Topic:
    """One topic of a data set's captions."""

    number: int
    """Its place among the topics of `fit_topics`."""
    n_images: int
    """Catalogue images, training and held out, whose nearest topic it is."""
    n_likes: int
    """Likes of these by the users of the protocol, training and held out; one per user and item."""
    share_of_likes: float
    """Of the likes of all topics, in [0, 1]; 0 where nobody likes anything."""
    keywords: tuple[str, ...]
    """The words of highest weight, the first first; none for pictures with nothing said."""


def topic_keywords(
    context: ScoreContext, aspect: Aspect, n: int = KEYWORDS, config: TopicConfig = DEFAULT
) -> list[Topic]:
    """Topics of ``topic-precision@content`` or ``@style``, most images first, with ``n`` keywords.

    The last number is that of images of which nothing is said on the aspect, where there are any.
    Without topics the list is empty. The paper prints phrases near a topic's vector; these are
    single words, weighted by `class_weights`.
    """
    topics = fit_topics(context, aspect, config)
    if not len(topics.vectors):
        return []
    nearest = {item: own[0] for item, own in topics.of_item.items()}
    said: dict[int, Counter[str]] = {number: Counter() for number in sorted({*nearest.values()})}
    descriptions = context.item_descriptions(list(nearest), CAPTIONER)
    for number, description in zip(nearest.values(), descriptions, strict=True):
        said[number].update(spoken(description, aspect).replace(",", "").split())
    weights, images = class_weights(said), Counter(nearest.values())
    likes = Counter(nearest[item] for item in _likes(context))
    every = max(1, likes.total())
    rows = [Topic(k, images[k], likes[k], likes[k] / every, _heaviest(weights[k], n)) for k in said]
    return sorted(rows, key=lambda topic: (-topic.n_images, topic.number))


def class_weights(said: Mapping[int, Mapping[str, int]]) -> dict[int, dict[str, float]]:
    """Class-based tf-idf of the words of every topic (BERTopic: Grootendorst, arXiv 2203.05794).

    A word's share of the topic's words times ``log(1 + A / f)``: A is the mean number of words of
    a topic, f how often all topics say the word. Positive, and low for what all of them say.
    """
    in_all = Counter[str]()
    for counts in said.values():
        in_all.update(counts)
    mean = in_all.total() / max(1, len(said))
    return {
        number: {
            word: count / sum(counts.values()) * float(np.log1p(mean / in_all[word]))
            for word, count in counts.items()
        }
        for number, counts in said.items()
    }


def _heaviest(weights: Mapping[str, float], n: int) -> tuple[str, ...]:
    """The ``n`` words of highest weight; tied ones by the alphabet."""
    ranked: Sequence[str] = sorted(weights, key=lambda w: (-round(weights[w], _DECIMALS), w))
    return tuple(ranked[:n])


def _likes(context: ScoreContext) -> Iterable[str]:
    """Items once for each user of the protocol who likes them."""
    views = (context.train.liked_items, context.test.liked_items)
    own = ({item for likes in views for item in likes.get(user, ())} for user in context.users)
    return chain.from_iterable(own)
