"""The VLM score: the rubric's points by hand, replies that cannot be read, and what judges see."""

import json

import numpy as np
import pytest
from answered import answered
from refusals import refused

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.request import Request
from persongen_bench.core.types import Description
from persongen_bench.metrics.similarity.vlm_score import N_HISTORY, PICTURE, VlmScore
from persongen_bench.testing import MetricContract
from persongen_bench.testing.toy_scores import toy_score_context


class TestVlmScore(MetricContract):
    metric = "vlm-score"


LIKED = ("star", "red", "flat", "night")
"""What the captioner says of every picture of the history."""


class Context:
    """Two people; pictures are what the captioner says of them."""

    users = units = ("anna", "ben")

    def __init__(self, pictures, history=("h0", "h1", "h2"), model=None):
        asked = [Request(user, history if user == "anna" else ()) for user, _ in pictures]
        self.samples, self.requests = answered(asked)
        self.tags = [tags for _, tags in pictures]
        self.looked, self._model, self._memo = [], model, {}

    def descriptions(self):
        return [Description(" ".join(tags), tags) for tags in self.tags]

    def item_descriptions(self, item_ids):
        self.looked += item_ids
        return [Description("", LIKED)] * len(item_ids)

    def item_images(self, item_ids):
        self.looked += item_ids
        return [np.zeros((3, 4, 4), np.uint8)] * len(item_ids)

    def images(self, rows):
        return [np.full((3, 4, 4), row, np.uint8) for row in rows]

    def model(self, role):
        self._model.role = role
        return self._model

    def encoder_signature(self, role):
        return f"<{role}>"

    def memo(self, key, make):
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]


def test_the_rule_by_hand():
    """All alike: 100. The style alone: 15 of 60 + 40, and a quarter of the 20 for the whole."""
    context = Context([("anna", LIKED), ("anna", ("cross", "pink", "flat", "paper"))])
    values = VlmScore("rubric").per_unit(context)
    assert values["anna"] == pytest.approx((100 + 15 + 20 / 4) / 2)
    assert np.isnan(values["ben"])
    assert VlmScore("rubric").caveats(context) == ()


def test_the_profile_is_of_the_latest_likes():
    items = tuple(f"h{k}" for k in range(9))
    context = Context([("anna", LIKED)] * 2, history=items)
    VlmScore("rubric").per_unit(context)
    assert context.looked == list(items[-N_HISTORY:])


def test_without_a_history_there_is_no_value():
    assert VlmScore("rubric").per_unit(Context([("ben", LIKED)])).isna().all()


def reply(score):
    return json.dumps([{"id": PICTURE, "similarity_score": score, "explanation": "alike"}])


class Model:
    """A language and multimodal model whose answers hang on the picture."""

    signature = "scripted"

    def __init__(self, says):
        self.says, self.asked = says, []

    def reply(self, prompts, max_new_tokens=128):
        self.asked += prompts
        return [self.says(prompt) for prompt in prompts]

    def tokenize(self, images):
        return [image.reshape(-1)[:1].astype(np.int64) for image in images]

    def say(self, prompts, max_new_tokens=64):
        self.asked += prompts
        return [self.says(parts) for parts in prompts]


def test_a_reply_that_cannot_be_read_has_no_value_and_is_counted():
    """Of three images one is refused twice: the mean is that of 80 and 40."""
    scores = {"star": reply(80), "cross": reply(40), "heart": "I cannot judge people."}
    model = Model(
        lambda text: next(said for word, said in scores.items() if f"subject: {word}\n" in text)
    )
    pictures = [("anna", (word, "blue", "flat", "night")) for word in scores]
    judge, context = VlmScore("llm"), Context(pictures, model=model)
    assert judge.per_unit(context)["anna"] == 60.0
    assert len(model.asked) == 4
    assert "Your last reply was refused: words around" in model.asked[-1]
    (said,) = judge.caveats(context)
    assert said.startswith("1 of 3 replies could not be read, no value (words around: ")
    assert len(model.asked) == 4


def test_nothing_readable_is_no_zero():
    context = Context([("anna", LIKED)], model=Model(lambda _: "no"))
    assert VlmScore("llm").per_unit(context).isna().all()
    assert VlmScore("llm").info.failed_value is None


def test_a_multimodal_judge_sees_the_history_and_then_each_picture():
    def says(parts):
        picture = [part for part in parts if not isinstance(part, str)]
        profile = len(picture) == 3
        return "Primary subject: star" if profile else reply(10 * int(picture[0].codes[0]))

    model = Model(says)
    context = Context([("anna", LIKED)] * 3, model=model)
    assert VlmScore("lmm").per_unit(context)["anna"] == pytest.approx((0 + 10 + 20) / 3)
    assert model.role == "lmm"
    assert len(model.asked) == 1 + 3
    assert "Primary subject: star" in model.asked[1][0]


def test_a_toy_language_model_follows_no_instruction():
    context = toy_score_context(n_images=1)
    judge = VlmScore("llm")
    assert judge.per_unit(context).isna().all()
    assert judge.caveats(context)[0].startswith("6 of 6 replies could not be read")


def test_pictures_of_ones_own_hue_score_higher():
    """The toy captioner names the hue: an oracle's pictures above those of chance."""
    means = [VlmScore("rubric").per_unit(toy_score_context(accuracy=a)).mean() for a in (1.0, 0.0)]
    assert means[0] > means[1] + 5


def test_judges_sign_with_their_models():
    said = {judge: VlmScore(judge).signature(Context([])) for judge in ("rubric", "llm", "lmm")}
    assert "llm" not in said["rubric"]
    assert "<captioner>" in said["rubric"]
    assert "<llm>" in said["llm"]
    assert "<lmm>" in said["lmm"]
    assert "tags" not in said["lmm"]


@pytest.mark.parametrize("argument", [None, "gpt", ""])
def test_another_judge_is_refused(argument):
    with refused("needs a judge", "vlm-score@lmm", error=ConfigError):
        VlmScore.parse(argument)
