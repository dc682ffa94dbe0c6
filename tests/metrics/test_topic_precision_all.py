"""Topic precision with several topics an image, all of which must be liked; and its default forms,
whose numbers, signatures and kept topics stay what they were."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from topics_case import Spoken, say, spoken_context

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import card, every_metric, parse_metric
from persongen_bench.metrics.taste._topics import (
    ONE,
    SEVERAL,
    STYLE_WORDS,
    Membership,
    TopicConfig,
    assign,
    fit_topics,
)
from persongen_bench.metrics.taste.topic_precision import TopicPrecision, all_liked, chance
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context


class TestContentAll(MetricContract):
    metric = TopicPrecision
    argument = "content-all"


class TestStyleAll(MetricContract):
    metric = TopicPrecision
    argument = "style-all"


# --- the default forms stay ----------------------------------------------------------------


@pytest.mark.parametrize("aspect", ["content", "style"])
def test_default_signatures_stay(aspect):
    # As every run before the other forms printed it.
    assert card(f"topic-precision@{aspect}").signature == (
        f"topic-precision@{aspect}|in:u8|captioner:<captioner>|judge_encoder:<judge_encoder>"
        "|topics:top2vec(pca50,hdbscan15)|style-words:ee6be78caf7f7939|topics-impl:1"
        "|liked:train+test|impl:1"
    )


def test_default_numbers_stay():
    # Computed by the code that knew one topic an image (commit a64cb29).
    context = toy_score_context(4, 0.5, seed=3)
    assert TopicPrecision("content").per_unit(context).tolist() == [1.0] * 6
    assert TopicPrecision("style").per_unit(context).tolist() == [0.5, 0.5, 0.25, 0.75, 0.25, 0.5]


@dataclass(frozen=True)
class Recording(ToyScores):
    """Notes under which keys instruments are kept, and what is kept."""

    kept: list = field(default_factory=list)

    def instrument(self, key, make):
        self.kept.append((list(key), super().instrument(key, make)))
        return self.kept[-1][1]


def test_the_kept_topics_of_the_default_stay():
    base = toy_score_context()
    context = Recording(base.world, base.samples, base.pictures)
    fit_topics(context, "style", TopicConfig())
    ((key, arrays),) = context.kept
    assert key == [
        "topics", 1, "style", context.train.hash, context.test.hash, "toy-hues|impl:1",
        "toy-judge|impl:1", {"n_components": 50, "min_cluster_size": 15}, sorted(STYLE_WORDS),
    ]  # fmt: skip
    assert {name: values.ndim for name, values in arrays.items()} == {"vectors": 2, "items": 1}
    assert len(arrays["items"]) == 48


def test_all_metrics_are_the_default_forms():
    named = [name for name in every_metric() if name.startswith("topic-precision")]
    assert named == ["topic-precision@content", "topic-precision@style"]


# --- several topics ------------------------------------------------------------------------


def test_the_other_forms_say_how_topics_are_assigned():
    signature = card("topic-precision@style-all").signature
    assert signature.startswith("topic-precision@style-all|")
    assert "|topics-impl:1|topics-an-image:within0.2,most3|liked:train+test|" in signature


@pytest.mark.parametrize("argument", [None, "all", "content-any"])
def test_no_other_forms(argument):
    with pytest.raises(ConfigError, match="needs an aspect"):
        TopicPrecision.parse(argument)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((9, 1, 0, 0), [0, -1, -1]),  # the median topic's share is 0.5
        # The median is 5; within a fifth of the way to it means from 9 on.
        ((10, 9.01, 0.99, 0), [0, 1, -1]),
        ((10, 8.99, 1.01, 0), [0, -1, -1]),
        ((0, 8, 8, 8), [1, 2, 3]),
        ((8, 8, 8, 8), [0, 1, 2]),
    ],
)
def test_topics_nearly_as_near_as_the_nearest(row, expected):
    rows = np.array([row], dtype=float)
    assert assign(rows, np.eye(4), SEVERAL).tolist() == [expected]
    assert assign(rows, np.eye(4)).tolist() == [expected[:1]]


def test_fewer_topics_than_an_image_may_have():
    assert assign(np.array([[1.0, 1.0]]), np.eye(2), SEVERAL).tolist() == [[0, 1, -1]]
    assert assign(np.array([[1.0, 1.0]]), np.eye(2)[:1], SEVERAL).tolist() == [[0, -1, -1]]


def test_a_caption_alone_has_the_topics_it_has_among_others():
    rows = np.random.default_rng(0).normal(size=(50, 8))
    vectors = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 6)))[0].T
    together = assign(rows, vectors, Membership(0.5, 4))
    alone = [assign(rows[[k]], vectors, Membership(0.5, 4))[0] for k in range(50)]
    np.testing.assert_array_equal(together, alone)
    assert set((together >= 0).sum(axis=1)) > {1, 2}
    np.testing.assert_array_equal(together[:, :1], assign(rows, vectors, ONE))


def test_the_subset_rule():
    topics = np.array([[0, -1, -1], [0, 1, -1], [0, 1, 2], [3, -1, -1]])
    assert all_liked(topics, {0, 1}).tolist() == [True, True, False, False]
    assert all_liked(topics[:, :1], {0, 1}).tolist() == [True, True, True, False]


def test_by_hand():
    # user-0 likes what is of apples, user-1 what is of boats, user-2 cats.
    own = [say("apple"), say("apple", "boat"), say("apple", "boat", "cat"), say("red")]
    rest = [say("boat")] * 4 + [say("boat", "cat"), *[say("cat")] * 3] + [say("door")] * 12
    context = spoken_context(own + rest)
    values = TopicPrecision.parse("content-all").per_unit(context)
    # Alone liked: one apple of user-0, four boats of user-1, three cats of user-2, doors of user-3.
    assert values.tolist() == [1 / 4, 4 / 4, 3 / 4, 4 / 4, 0.0, 0.0]


class OneOfBoth(Spoken):
    """One held-out picture that user-0 likes is of an apple and a boat."""

    @property
    def of_both(self):
        return self.test.liked_items["user-0"][0]

    def word(self, item):
        return "apple boat" if item == self.of_both else super().word(item)


def test_a_liked_item_of_several_topics_makes_all_of_them_liked():
    own = [say("apple"), say("apple", "boat"), say("boat"), say("cat")]
    base = spoken_context(own + [say("door")] * 20)
    context = OneOfBoth(base.world, base.samples, base.pictures, sayings=base.sayings)
    topics = fit_topics(context, "content", TopicConfig(), SEVERAL)
    several = [item for item, of in topics.of_item.items() if len(of) > 1]
    assert several == [context.of_both]
    assert TopicPrecision.parse("content-all").per_unit(base)["user-0"] == 1 / 4
    assert TopicPrecision.parse("content-all").per_unit(context)["user-0"] == 3 / 4


def test_chance_is_of_items_whose_topics_are_all_liked():
    topics = fit_topics(spoken_context([say("apple")] * 24), "content", TopicConfig(), SEVERAL)
    shared = topics._replace(of_item={"a": (0,), "b": (0, 1), "c": (2,), "d": (1, 2)})
    assert chance(shared, {0, 1}) == 2 / 4


def test_saturation_says_what_counts():
    (warning,) = parse_metric("topic-precision@content-all").caveats(toy_score_context())
    assert "has liked topics alone with probability 1.00 (2 topics)" in warning
