"""Topic precision: what is matched with what, planted topics, and where it is undefined."""

from dataclasses import replace

import numpy as np
import pytest
from topics_case import WORDS, say, spoken_context

from persongen_bench.core.types import Description
from persongen_bench.metrics.taste._topics import (
    TopicConfig,
    assign,
    fit_topics,
    spoken,
    topic_vectors,
)
from persongen_bench.metrics.taste.topic_precision import TopicPrecision, chance, liked_topics
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import toy_score_context


class TestContent(MetricContract):
    metric = TopicPrecision
    argument = "content"


class TestStyle(MetricContract):
    metric = TopicPrecision
    argument = "style"


# --- words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "content", "style"),
    [
        (("star", "red", "small", "night", "sketch"), "star, small, night", "red, sketch"),
        (("red sports car", "Soft light"), "sports car", "red, soft light"),
        (("pastel",), "", "pastel"),
        (("white-haired woman",), "haired woman", "white"),
    ],
)
def test_words_are_divided(tags, content, style):
    said = Description("not looked at: a blue sea", tags)
    assert (spoken(said, "content"), spoken(said, "style")) == (content, style)


def test_a_captioner_without_tags_is_read_by_its_caption():
    said = Description("A dark sea under a vivid sky.", ())
    assert spoken(said, "content") == "a sea under a sky"
    assert spoken(said, "style") == "dark vivid"


# --- topics --------------------------------------------------------------------------------


def planted(n_topics=6, each=60, spread=0.02, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(24, n_topics)))[0].T
    truth = np.repeat(np.arange(n_topics), each)
    return centres, truth, centres[truth] + spread * rng.normal(size=(len(truth), 24))


def test_planted_topics_are_found():
    centres, truth, rows = planted()
    vectors = topic_vectors(rows)
    assert len(vectors) == 6
    nearest = np.argmax(vectors @ centres.T, axis=1)
    assert sorted(nearest) == list(range(6))
    assert (vectors @ centres.T).max(axis=1).min() > 0.99
    assert (nearest[assign(rows, vectors)[:, 0]] == truth).all()


def test_outliers_and_new_captions_get_the_nearest_topic():
    centres, _, rows = planted(3)
    vectors = topic_vectors(np.vstack([rows, centres[:1] * 0.6 + centres[1:2] * 0.4]))
    assert len(vectors) == 3
    new = centres[[2]] * 5 + 0.3
    found = assign(new, vectors)[:, 0]
    assert np.argmax(vectors[found] @ centres.T) == 2


def test_the_order_of_captions_does_not_matter():
    _, _, rows = planted(4, each=40)
    turn = np.random.default_rng(1).permutation(len(rows))
    one, other = topic_vectors(rows), topic_vectors(rows[turn])
    np.testing.assert_allclose(
        one[np.lexsort(one.T)], other[np.lexsort(other.T)], rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(("n_sentences", "n_topics"), [(0, 0), (1, 0), (2, 2), (7, 7)])
def test_captions_said_alike_are_one_topic(n_sentences, n_topics):
    # Twenty times the same sentence each; a single sentence everywhere tells nothing apart.
    sentences = np.random.default_rng(2).normal(size=(n_sentences, 32))
    rows = np.repeat(sentences, 20, axis=0).reshape(-1, 32)
    rows = rows + 1e-7 * np.random.default_rng(3).normal(size=rows.shape)  # as a batch may round
    assert len(topic_vectors(rows)) == n_topics


def test_a_topic_has_its_smallest_size():
    # Of 1000 captions, the rare sentence is said 13 times: fewer than 15, so it is no topic.
    sentences = np.eye(8)
    counts = [141] * 7
    rows = np.vstack([np.repeat(sentences[:7], counts, axis=0), np.repeat(sentences[7:], 13, 0)])
    assert len(rows) == 1000
    assert len(topic_vectors(rows)) == 7
    assert len(topic_vectors(rows, TopicConfig(min_cluster_size=5))) == 8


# --- the metric ----------------------------------------------------------------------------


def test_by_hand():
    own = [say("apple", "red"), say("apple"), say("boat"), say("red")]
    rest = [say(WORDS[k]) for k in range(1, 6) for _ in range(4)]
    values = TopicPrecision("content").per_unit(spoken_context(own + rest))
    # user-0: apple twice of four; boat is user-1's, and nothing of content is said of the last.
    assert values["user-0"] == 2 / 4
    assert (values.drop("user-0") == 1.0).all()


def test_nothing_said_is_matched_with_nothing_said():
    # Of hue 0 nothing is said, which user-0 likes: pictures of which nothing is said match.
    themes = ("red", *WORDS[1:])
    own = [say("red"), say("blue"), say("boat"), say("cat")]
    rest = [say("grey") for _ in range(20)]
    values = TopicPrecision("content").per_unit(spoken_context(own + rest, themes))
    assert values["user-0"] == 2 / 4
    assert (values.drop("user-0") == 0.0).all()


def test_likes_of_training_and_held_out_items_count():
    # user-0 has liked apples in training and likes a boat that is held out.
    sayings = [say("apple"), say("boat"), say("cat"), say("cat")] + [say("door")] * 20
    base = spoken_context(sayings)
    context = replace(base, held_out_themes=("boat", *WORDS[1:]), _memo={})
    assert TopicPrecision("content").per_unit(context)["user-0"] == 2 / 4
    topics = fit_topics(context, "content", TopicConfig())
    assert len(topics.vectors) == 6
    liked = liked_topics(context, topics)
    # Of 42 items, 7 of each hue: 5 say apple; 2 and those of hue 1, boat.
    assert chance(topics, liked["user-0"]) == pytest.approx(14 / 42)
    assert chance(topics, liked["user-2"]) == pytest.approx(7 / 42)


def test_fewer_than_two_topics_are_undefined():
    context = spoken_context([say("apple")] * 24, ("apple",) * 6)
    metric = TopicPrecision("content")
    assert metric.per_unit(context).isna().all()
    (warning,) = metric.caveats(context)
    assert "fewer than two content topics" in warning


def test_saturation_is_said():
    # The toy captioner's content is left or right, both of which everybody likes.
    (warning,) = TopicPrecision("content").caveats(toy_score_context())
    assert "probability 1.00 (2 topics)" in warning
    assert TopicPrecision("style").caveats(toy_score_context()) == ()


def test_planted_taste_is_seen():
    personal, blind = (
        TopicPrecision("style").per_unit(toy_score_context(20, accuracy)) for accuracy in (1, 1 / 6)
    )
    assert personal.mean() > 0.9
    assert blind.mean() < 0.4


def test_topics_come_from_the_data_alone():
    # Fitted once for one data set, whatever was generated.
    one, other = (
        fit_topics(toy_score_context(seed=seed), "style", TopicConfig()) for seed in (0, 1)
    )
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert one.of_item == other.of_item
