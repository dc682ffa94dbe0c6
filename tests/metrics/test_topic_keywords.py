"""The words of topics: their weights by hand, and topics of a world where every word is known."""

import numpy as np
import pytest
from topics_case import WORDS, say, spoken_context

from persongen_bench.metrics.taste.topic_keywords import class_weights, topic_keywords


def test_weights_by_hand():
    weights = class_weights({0: {"apple": 3, "big": 1}, 1: {"boat": 2, "big": 2}})
    # Four words a topic on average; apple is said 3 times in all, boat 2, big 3.
    assert weights[0]["apple"] == pytest.approx(3 / 4 * np.log(1 + 4 / 3))
    assert weights[0]["big"] == pytest.approx(1 / 4 * np.log(1 + 4 / 3))
    assert weights[1]["boat"] == pytest.approx(1 / 2 * np.log(1 + 4 / 2))
    assert weights[1]["boat"] > weights[1]["big"]


def test_what_every_topic_says_counts_little():
    said = {k: {"the": 12, f"own-{k}": 10} for k in range(8)}
    weights = class_weights(said)
    assert all(weights[k][f"own-{k}"] > 3 * weights[k]["the"] for k in said)


def test_nothing_said_has_no_weights():
    assert class_weights({}) == {}
    assert class_weights({0: {}, 1: {"boat": 1}})[0] == {}


def test_topics_with_their_words_images_and_likes():
    # 48 items, 8 of each hue, which says "WORD common"; user-k likes some of those of hue k.
    context = spoken_context([say("apple")] * 24, tuple(f"{word} common" for word in WORDS))
    rows = topic_keywords(context, "content")
    assert sorted(row.keywords for row in rows) == [(word, "common") for word in WORDS]
    assert [row.n_images for row in rows] == [8] * 6
    assert [row.number for row in rows] == sorted(row.number for row in rows)
    likes = {
        WORDS[k]: len({*context.train.liked_items[user], *context.test.liked_items[user]})
        for k, user in enumerate(context.users)
    }
    assert {row.keywords[0]: row.n_likes for row in rows} == likes
    assert sum(row.share_of_likes for row in rows) == pytest.approx(1)
    assert [row.keywords for row in topic_keywords(context, "content", n=1)] == [
        row.keywords[:1] for row in rows
    ]


def test_words_of_equal_weight_stand_by_the_alphabet():
    context = spoken_context([say("apple")] * 24, tuple(f"{w} tree axe moon" for w in WORDS))
    for row in topic_keywords(context, "content"):
        assert row.keywords[1:] == ("axe", "moon", "tree")


def test_pictures_with_nothing_said_are_the_last_number():
    context = spoken_context([say("apple")] * 24, ("red", *WORDS[1:]))
    rows = topic_keywords(context, "content")
    assert max(rows, key=lambda row: row.number).keywords == ()
    assert [row.number for row in rows] == [0, 1, 2, 3, 4, 5]
    # Of style only those eight say something, and one sentence forms no topic.
    assert topic_keywords(context, "style") == []
