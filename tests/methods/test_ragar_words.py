"""Keywords that are kept, contradictions, prompts, and what a request asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ragar_case import WORLD, ListingLlm, said_train, tiny_llm

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Request
from persongen_bench.core.types import Description
from persongen_bench.methods.pmg.together import Together
from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.preferences import ItemWords, Models, Preferences
from persongen_bench.methods.ragar.words import (
    consistent,
    frequent,
    joined,
    new_words,
    preference_prompt,
)
from persongen_bench.util.words import content_words

CAPTIONS = 5 * [
    "a red star on paper", "a blue star on paper", "a red heart at night", "a blue heart at dusk",
]  # fmt: skip
"""By chance red and blue would share 10 x 10 / 20 = 5 captions, and they share none."""


def test_rare_keywords_are_dropped_and_the_rest_stand_by_count():
    lists = [("red", "star", "red"), ("star", "blue"), ("red", "star"), ("blue",)]
    # Counts of items by hand: star 3, red 2, blue 2; a word counts once an item.
    assert frequent(lists, 2) == ["star", "red", "blue"]
    assert frequent(lists, 3) == ["star"]
    assert frequent([], 2) == []


def test_what_is_kept_first_decides():
    together = Together(content_words(caption) for caption in CAPTIONS)
    assert consistent(together, "a blue star", ["red", "paper"]) == ["paper"]
    assert consistent(together, "a heart", ["red", "blue"]) == ["red"]
    assert consistent(together, "a heart", ["blue", "red"]) == ["blue"]
    assert consistent(together, "", ["star", "red heart", "unheard-of"]) == ["star", "unheard-of"]
    assert consistent(together, "a heart", []) == []


def test_words_that_are_said_already_say_nothing_new():
    assert new_words("a red star", ["star", "red star", "paper", "red paper"]) == [
        "paper",
        "red paper",
    ]


def test_prompts_hold_text_and_keywords():
    assert preference_prompt("a star", ()) == "Draw: a star"
    assert preference_prompt("a star", ("flat", "dusk")) == "+ flat, dusk\nDraw: a star"
    assert joined("a star", ("flat", "dusk")) == "a star, flat, dusk"
    assert joined("a star", ()) == "a star"


class NamedCaptioner:
    signature = "named"

    def __init__(self):
        self.n = 0

    def describe(self, images):
        self.n += len(images)
        return [Description("a yellow picture", ("yellow",)) for _ in images]


def preferences(llm=None, train=None, **options):
    train = said_train() if train is None else train
    config = RagarConfig.model_validate({"similarity": "words", **options})
    captioner = NamedCaptioner()
    models = Models(captioner, llm or ListingLlm(), None)
    return Preferences(models, ItemWords(train.catalog, captioner), config), train


def of_hues(train, *hues):
    """Item ids with these hues, each time another item."""
    places = {hue: [i for i, h in train.catalog.items["theme"].items() if h == hue] for hue in hues}
    taken = dict.fromkeys(hues, 0)
    items = []
    for hue in hues:
        items.append(places[hue][taken[hue]])
        taken[hue] += 1
    return items


# Captions: hue-0 red on paper, 1 yellow night, 2 green paper, 3 blue night (`ragar_case.PALETTE`).
HISTORY = ("hue-0", "hue-0", "hue-1", "hue-2", "hue-1", "hue-3")


def test_a_request_asks_for_the_keywords_of_its_nearest_items():
    found, train = preferences(k=2)
    history = of_hues(train, *HISTORY)
    asked = found.of("a red picture", history)
    assert asked.retrieved == (history[1], history[0])  # red ones, the later first
    np.testing.assert_allclose(asked.shares, [0.5, 0.5])
    assert asked.keywords == ("paper",)  # red and picture are said, "on" is no keyword


def test_without_retrieval_the_whole_history_counts():
    found, train = preferences(retrieval="off")
    history = of_hues(train, *HISTORY)
    asked = found.of("a green picture", history)
    assert asked.retrieved == tuple(history)
    np.testing.assert_allclose(asked.shares, 1 / 6)
    # paper: 3 items; night: 3, but never with paper; red and yellow: 2, and too rare to tell
    # whether they go with green (5 x 5 / 30 captions would by chance).
    assert asked.keywords == ("paper", "red", "yellow")
    kept, _ = preferences(retrieval="off", contradictions="keep")
    assert kept.of("a green picture", history).keywords == ("paper", "night", "red", "yellow")
    fewer, _ = preferences(retrieval="off", contradictions="keep", n_keywords=2)
    assert fewer.of("a green picture", history).keywords == ("paper", "night")


def test_items_unlike_the_reference_are_not_retrieved_where_others_are_like_it():
    found, train = preferences(k=5)
    history = of_hues(train, *HISTORY)
    assert found.of("red", history).retrieved == (history[1], history[0])
    # Nothing is like this one: the five latest, all alike.
    strange = found.of("a zebra", history)
    assert strange.retrieved == tuple(history[:0:-1])
    np.testing.assert_allclose(strange.shares, 0.2)


def test_shares_may_be_counted_instead_of_items():
    """night stands on two items and paper on one: .2 + .2 against .6.

    Of equal sums the first to come up is first, although .1 + .2 is above .3 in floating point.
    """
    lists = [["night"], ["night"], ["paper"]]
    assert frequent(lists, 1) == ["night", "paper"]
    assert frequent(lists, 1, [0.2, 0.2, 0.6]) == ["paper", "night"]
    assert frequent([["night"], ["paper"], ["paper"]], 1, [0.3, 0.1, 0.2]) == ["night", "paper"]
    assert frequent(lists, 2, [0.2, 0.2, 0.6]) == ["night"]
    assert frequent([], 1, []) == []


def test_more_similar_items_have_a_greater_say():
    """Two red captions say paper, three others night.

    Similarities to "a red picture" are 2 / sqrt(6) of the red ones and 1 / sqrt(6) of the others:
    shares of 2/7 and 1/7, so that paper has 4/7 and night 3/7.
    """
    for counting, first in (("items", "night"), ("shares", "paper")):
        found, train = preferences(counting=counting, contradictions="keep")
        history = of_hues(train, "hue-0", "hue-0", "hue-1", "hue-1", "hue-3")
        asked = found.of("a red picture", history)
        assert asked.keywords[0] == first
        np.testing.assert_allclose(sorted(asked.shares), np.array([1, 1, 1, 2, 2]) / 7)


def test_k_of_none_asks_for_nothing():
    found, train = preferences(k=0)
    asked = found.of("a red picture", of_hues(train, *HISTORY))
    assert (asked.retrieved, asked.keywords, len(asked.shares)) == ((), (), 0)


def test_the_last_items_of_a_history_are_searched():
    found, train = preferences(k=5, n_history=2)
    history = of_hues(train, *HISTORY)
    assert set(found.of("a red picture", history).retrieved) == set(history[-2:])


def test_subjects_or_captions_are_compared():
    by_caption, train = preferences(k=1, compare="captions")
    by_subject, _ = preferences(k=1, compare="subjects")
    history = of_hues(train, "hue-0", "hue-1")
    text = "picture on night"  # "on" and "a" do not count
    assert by_caption.of(text, history).retrieved == (history[1],)
    assert by_subject.of("red picture", history).retrieved == (history[0],)
    assert by_subject.of(text, history).shares.tolist() == [1.0]


def test_the_reference_is_not_its_own_history():
    found, train = preferences(k=5)
    history = of_hues(train, *HISTORY)
    request = Request("u", tuple(history), reference=history[1], instruction="a red picture")
    assert history[1] not in found.of_request(request).retrieved


def test_the_reference_is_read_in_words_or_described():
    sample = WORLD.samples(1, references=True)[0].request
    found, _ = preferences()
    assert found.of_request(sample).text == sample.instruction
    assert found.of_request(replace(sample, instruction=None)).text == "a yellow picture"
    described, _ = preferences(reference_text="caption")
    assert described.of_request(sample).text == "a yellow picture"
    with pytest.raises(UnsupportedRequestError, match="neither one nor an instruction"):
        found.of_request(Request("u", sample.history))


def test_an_unreadable_answer_falls_back_to_the_captions_words_and_is_counted():
    found, train = preferences(tiny_llm(), max_new_tokens=2)
    item = of_hues(train, "hue-0")[0]
    found.mine([item, item])
    assert found.counts == {"strict": 0, "repaired": 0, "fallback": 1}
    assert found.mined() == {item: ("red", "picture", "paper")}


def test_pictures_without_captions_are_described():
    train = said_train()
    items = train.catalog.items.drop(columns=["caption", "subject"])
    bare = replace(train, catalog=replace(train.catalog, items=items))
    found, _ = preferences(train=bare, min_count=1)
    history = of_hues(bare, *HISTORY)
    found.mine(history)
    found.settle()
    assert found.of("a red picture", history).keywords == ("yellow",)
    assert len(found.words.document()) == len(history)
    assert found.words.captioner.n == len(history)
