"""What PMG is made of: lists of keywords, prompts that fit, exclusions, the choice of a picture."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Request, plan_samples
from persongen_bench.methods import _keywords as reading
from persongen_bench.methods.pmg import Pmg, PmgConfig
from persongen_bench.methods.pmg.picking import LEAST_COSINE, Picker, scores
from persongen_bench.methods.pmg.prompts import Room, fitted, joined
from persongen_bench.methods.pmg.taste import Histories, Seen
from persongen_bench.methods.pmg.together import Together
from persongen_bench.testing import ToyStack, toy_world
from persongen_bench.testing.toy import features_of
from persongen_bench.testing.toy_llm import ToyLanguageModel
from persongen_bench.testing.toy_words import HUES
from persongen_bench.util.keyword_requests import RatedKeywords, counted, taste_request
from persongen_bench.util.words import content_words

# --- answers of language models --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["red, star", '["red", 3]', '{"a": 1}', 'Sure: ["red"]', '["red"', "", "null", '"red"'],
)
def test_only_a_list_of_texts_is_strict(text):
    assert reading.strict_list(text) is None


def test_a_strict_list_is_taken_as_it_is():
    assert reading.strict_list('["Red", "star "]') == ("Red", "star ")
    assert reading.strict_list("[]") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Sure! ["red", "star"] Enjoy.', ("red", "star")),
        ('```json\n["red"]\n```', ("red",)),
        ("['red', 'star']", ("red", "star")),
        # The released regular expression loses item 10 and cuts at hyphens and digits.
        (
            "\n".join(f"{k}. word-{k}" for k in range(1, 12)),
            tuple(f"word-{k}" for k in range(1, 12)),
        ),
        ("1) sci-fi\n2) 3d art", ("sci-fi", "3d art")),
        ("- red\n* star", ("red", "star")),
        ("Keywords: red, star.", ("red", "star")),
    ],
)
def test_well_meant_answers_are_repaired(text, words):
    assert reading.repaired_list(text) == words


@pytest.mark.parametrize("text", ["I like it", "", "red\nstar"])
def test_what_nobody_can_read_stays_unread(text):
    assert reading.repaired_list(text) is None


def test_keywords_are_plain_and_each_is_there_once():
    words = ["Red ", "red", "", " pixel  art", "x" * 61, "star"]
    assert reading.cleaned(words, 3) == ("red", "pixel art", "star")
    assert content_words("A small red star, to the left") == (
        "small", "red", "star", "left",
    )  # fmt: skip


class Scripted:
    signature = "scripted"

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def reply(self, prompts, max_new_tokens=128):
        self.asked += prompts
        return [self.answers[prompt] for prompt in prompts]


def test_answers_are_counted_by_how_they_were_read_and_asked_for_once():
    llm = Scripted({"a": '["red"]', "b": "1. blue", "c": "no idea"})
    reader = reading.KeywordReader(llm, 10)
    words = reader.read(["a", "b", "c", "a"], 2, lambda place: [f"fallback {place}"])
    assert words == [("red",), ("blue",), ("fallback 2",), ("red",)]
    assert dict(reader.counts) == {"strict": 2, "repaired": 1, "fallback": 1}
    assert llm.asked == ["a", "b", "c"]


# --- counting --------------------------------------------------------------------------------

HISTORY = [
    RatedKeywords(("red", "star")),
    RatedKeywords(("blue", "star")),
    RatedKeywords(("blue", "heart"), liked=False),
    RatedKeywords(("red", "cross")),
]


def test_counting_is_likes_minus_dislikes_in_order_of_mention():
    # red 2, star 2, blue 1 - 1 = 0, heart -1, cross 1.
    assert counted(HISTORY, 8) == ("red", "star", "cross")
    assert counted(HISTORY, 1) == ("red",)
    assert counted(HISTORY, 8, frozenset({"star", "blue"})) == ("star",)


def test_the_request_marks_likes_and_dislikes():
    lines = taste_request(HISTORY, 2, "colour").splitlines()
    assert lines[:3] == ["+ red, star", "+ blue, star", "- blue, heart"]
    assert "the 2 colour keywords" in lines[-1]


# --- prompts ---------------------------------------------------------------------------------

WORDS = Room(lambda text: len(text.replace(",", " ,").split()) + 2, 9)


def test_the_preference_is_repeated_behind_the_target():
    assert joined(("star",), ("red", "flat"), 2) == "star, red, flat, red, flat"
    assert joined(("star",), ("red",), 0) == "star"


@pytest.mark.parametrize(
    ("weight", "prompt", "n_left_out"),
    [
        (1, "star, red, flat", 0),  # 3 words, 2 commas, 2 marks: 7 of 9
        (2, "star, red, flat, red", 1),  # 4 words, 3 commas, 2 marks: 9
        (3, "star, red, flat, red", 3),
    ],
)
def test_a_prompt_that_is_too_long_loses_repetitions_first(weight, prompt, n_left_out):
    assert fitted(("star",), ("red", "flat"), weight, WORDS) == (prompt, n_left_out)
    assert WORDS.excess(prompt) == 0


def test_without_a_bound_everything_stays():
    room = Room(WORDS.n_tokens, None)
    assert fitted(("a",) * 30, ("b",), 2, room)[1] == 0
    assert Room.of(object()).most is None


# --- exclusion -------------------------------------------------------------------------------


def test_words_that_never_share_a_picture_exclude_one_another():
    pictures = [("red", "star")] * 6 + [("blue", "star")] * 6
    together = Together(pictures)
    assert together.exclude("red", "blue")  # 6 * 6 / 12 = 3 expected, none there
    assert not together.exclude("red", "star")
    assert together.kept(("blue", "flat", "star"), ("red",)) == ("flat", "star")
    assert together.kept(("red", "blue"), ()) == ("red",)


def test_rare_words_exclude_nothing():
    assert not Together([("red",), ("blue",)]).exclude("red", "blue")
    assert not Together([]).exclude("red", "blue")


# --- the choice ------------------------------------------------------------------------------


def test_the_score_is_the_papers():
    # Cosines of (1, 0) and (3, 4) with the texts (1, 0) and (0, 1): 1, .6 and 0, .8; the 0 counts
    # as .001. z = 2/3 log d_p + 1/3 log d_t.
    images = np.array([[1.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    preference, target = np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]])
    z = scores(images, preference, target, 2 / 3)
    expected = [math.log(LEAST_COSINE) / 3, 2 / 3 * math.log(0.6) + math.log(0.8) / 3]
    assert np.allclose(z, expected, atol=1e-7)
    assert np.allclose(scores(images, None, target, 2 / 3), np.array(expected) * 0 + [
        math.log(LEAST_COSINE) / 3, math.log(0.8) / 3])  # fmt: skip


class Fixed:
    def __init__(self, rows):
        self.rows = np.array(rows, dtype=np.float32)

    def encode(self, images):
        return self.rows

    def encode_texts(self, texts):
        return np.array([{"p": [1.0, 0.0], "t": [0.0, 1.0]}[text] for text in texts])


@pytest.mark.parametrize(("alpha", "best"), [(0.0, 1), (1.0, 0), (2 / 3, 0), (1 / 3, 1)])
def test_alpha_moves_the_choice(alpha, best):
    # Cosines with preference and target: (.9, .44) and (.44, .9).
    picker = Picker(Fixed([[0.9, 0.4359], [0.4359, 0.9]]), alpha)
    assert picker.best([None, None], "p", "t") == best
    assert picker.best([None], "p", "t") == 0


# --- the method ------------------------------------------------------------------------------


class Mute(ToyLanguageModel):
    def reply(self, prompts, max_new_tokens=128):
        return ["I cannot say."] * len(prompts)


class MuteStack(ToyStack):
    def __init__(self):
        super().__init__()
        self._roles["llm"] = Mute()


SANDBOX = {**Pmg.presets["sandbox"], "target": "keywords"}


def pmg_on(stack=None, **options):
    world, stack = toy_world(), stack or ToyStack()
    method = Pmg(PmgConfig(**options))
    method.fit(world.train, FitContext(stack, 0, features_of(stack)))
    return method, world


def asked(world, **options):
    return plan_samples({"of": "pmg"}, [Request(user, **options) for user in world.train.users])


def test_paper_preset_is_the_released_one():
    # The MindSpore release: 8 keywords for movies, 5 of an item, 10 of the target, weights 1 and 2,
    # W_P = 2 for log d_p + ... = alpha 2/3, 30 steps in the demo; no soft prompt.
    config = PmgConfig(**Pmg.presets["paper"])
    assert (config.n_keywords, config.n_item_keywords, config.n_target_keywords) == (8, 5, 10)
    assert (config.weights, config.n_inference_steps) == ((1, 2), 30)
    assert config.alpha == pytest.approx(2 / 3)
    assert (config.history, config.attributes, config.soft_prompt) == ("request", (), False)


def test_everybody_is_read_as_their_own_hue():
    method, _ = pmg_on(**SANDBOX)
    for k, hue in enumerate(HUES):  # person k likes hue k
        words = method._words.tastes[method._histories.of_user(f"user-{k}")]
        assert set(words) & set(HUES) == {hue}


def test_the_instruction_leads_the_prompt_and_the_taste_follows():
    method, _world = pmg_on(**SANDBOX, weights=(0, 1, 2))
    (words, *_) = method._words_of([Request("user-0", instruction="a blue picture")])
    assert words.target == ("blue",)
    assert words.preference[0] == "red"
    prompts = method._prompts(words)
    assert prompts[0] == "blue"
    assert prompts[1].startswith("blue, red")
    assert prompts[2].count("red") == 2


def test_without_an_instruction_the_reference_speaks():
    method, world = pmg_on(**SANDBOX)
    item = world.train.catalog.ids[0]
    request = Request("user-0", reference=item)
    opened = replace(request, opener=lambda one: world.train.catalog.images([one])[0])
    (words,) = method._words_of([opened])
    assert set(words.target) & set(HUES)


def test_unreadable_answers_fall_back_to_counts_and_are_counted():
    method, _ = pmg_on(MuteStack(), history="rated")
    assert method.replies["fallback"] > 0
    assert method.replies["strict"] == 0
    history = method._histories.of_user("user-0")
    assert "red" in method._words.tastes[history]


def test_the_counts_are_kept_with_the_fit(tmp_path):
    method, world = pmg_on(**SANDBOX)
    method.save(tmp_path)
    again = Pmg(method.config)
    again.load(tmp_path, ToyStack(), world.train)
    assert again.replies == method.replies
    assert again.replies["strict"] > 0


def test_histories_are_the_requests_the_likes_or_the_ratings():
    world = toy_world()
    user = world.train.users[0]
    likes = world.train.liked_items[user]
    request = Request(user, history=likes[:3])
    assert Histories(world.train, PmgConfig()).of(request) == tuple(Seen(i) for i in likes[:3])
    liked = Histories(world.train, PmgConfig(history="liked", n_history=2)).of(request)
    assert liked == tuple(Seen(i) for i in likes[-2:])
    rated = Histories(world.train, PmgConfig(history="rated", n_history=2)).of(request)
    assert [s.liked for s in rated].count(True) == 2
    assert [s.liked for s in rated].count(False) == 2


def test_nobody_and_nothing_is_a_failure():
    method, _world = pmg_on()
    (made,) = method.generate(plan_samples({}, [Request("user-0")]))
    assert isinstance(made, Failure)


def test_a_long_prompt_is_reported_either_way():
    method, world = pmg_on(overflow="cut", **SANDBOX)
    method._room = Room(lambda text: len(text.split()) + 2, 3)
    method.generate(asked(world, instruction="a blue picture"))
    # Two weights; who likes blue has nothing to add to the target.
    assert method.prompts["prompts cut by the text encoder"] == 2 * 5
    method, world = pmg_on(**SANDBOX)
    method._room = Room(lambda text: len(text.split()) + 2, 3)
    method.generate(asked(world, instruction="a blue picture"))
    assert method.prompts["prompts shortened to fit"] == 2 * 5


def test_a_stack_without_a_language_model_says_what_for():
    class Speechless(ToyStack):
        def __init__(self):
            super().__init__()
            del self._roles["llm"]

    with pytest.raises(MissingRoleError, match="no llm, which this method needs to name keywords"):
        pmg_on(Speechless())
