"""The method: contract, ablations, what each option is worth."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from pigeon_case import LMM, STACK, digest

from persongen_bench.core.errors import DataError, MissingRoleError, RunError
from persongen_bench.core.method import Explains, Explanation, FitContext
from persongen_bench.core.request import Failure
from persongen_bench.methods.pigeon.config import GENERATE_FIELDS, PRESETS
from persongen_bench.methods.pigeon.method import Pigeon
from persongen_bench.methods.pigeon.telling import hidden
from persongen_bench.testing import MethodContract, ToyStack, toy_world
from persongen_bench.testing.toy import features_of

WORLD = toy_world()
SAMPLES = WORLD.samples(2, references=True)


class TestPigeon(MethodContract):
    method = "pigeon"


class TestPigeonDrawn(MethodContract):
    """The other visual feature, masks as released, and one stage."""

    method = "pigeon"
    config: ClassVar = {**PRESETS["check"], "visual_features": "drawn", "mask": "released",
                        "stage": 1}  # fmt: skip


def fitted(**options):
    method = Pigeon(Pigeon.Config.model_validate({**PRESETS["check"], **options}))
    method.fit(WORLD.train, FitContext(STACK, 3, features_of(STACK)))
    return method


@pytest.fixture(scope="module")
def plain():
    return fitted()


def share(method, folder, **options):
    """The same fit under other options of `generate`."""
    method.save(folder)
    other = Pigeon(method.config.model_copy(update=options))
    other.load(folder, STACK, WORLD.train)
    return other


def learned(method):
    """Bytes of all weights of a fit."""
    kept = {**method._fitted.lora, **method._fitted.parts}
    return {name: value.numpy().tobytes() for name, value in kept.items()}


def answers(method, samples=SAMPLES):
    return np.stack(method.generate(samples))


def test_the_language_model_is_left_as_it_was(plain):
    before = digest(LMM.model)
    fitted(n_steps=2)
    plain.generate(SAMPLES[:2])
    assert digest(LMM.model) == before
    assert not LMM.model.training


def test_the_record_says_what_was_done(plain):
    record = plain._fitted.record
    # five likes each: the first four give one window for the fit, the fifth is for validation
    assert (record["n_windows"], record["n_validation_windows"]) == (6, 6)
    assert record["n_pairs"] + record["n_ties"] + record["n_equal"] == 4
    assert [look["step"] for look in record["stage 1"]] == [0, 2, 4]
    assert record["stage 2"][0]["step"] == 0
    assert len(record["ratios"]) == 11
    assert plain._fitted.ratio in [row["ratio"] for row in record["ratios"]]


def test_a_fixed_ratio_and_the_chosen_one(plain, tmp_path):
    same = share(plain, tmp_path, ratio=plain._fitted.ratio)
    np.testing.assert_array_equal(answers(same), answers(plain))
    ends = [answers(share(plain, tmp_path, ratio=ratio)) for ratio in (0.0, 1.0)]
    assert (ends[0] != ends[1]).any()


def test_the_history_ratio_is_swept_at_inference(plain, tmp_path):
    none, all_but_one = (share(plain, tmp_path, history_ratio=r) for r in (0.0, 1.0))
    assert (answers(none) != answers(all_but_one)).any()
    as_trained = share(plain, tmp_path, history_ratio=0.2)
    np.testing.assert_array_equal(answers(as_trained), answers(plain))
    assert {"ratio", "history_ratio", "n_shown"} == GENERATE_FIELDS


def test_history_words_and_reference_matter(plain):
    """Asked with one thing changed, some of a dozen pictures are others (seeds are equal)."""

    def changed(**fields):
        requests = [replace(s.request, request_id="", **fields) for s in SAMPLES]
        return [replace(s, request=r) for s, r in zip(SAMPLES, requests, strict=True)]

    base = answers(plain)
    likes = WORLD.train.liked_items
    for fields in (
        {"history": likes["user-2"]}, {"history": ()}, {"instruction": "blue"},
        {"instruction": None},
    ):  # fmt: skip
        assert (answers(plain, changed(**fields)) != base).any(), fields
    opened = SAMPLES[0].request.opener
    other = changed(opener=lambda item: np.roll(opened(item), 1, axis=0))
    assert (answers(plain, other) != base).any()


def test_only_the_last_of_the_history_count(plain):
    sample = SAMPLES[0]
    short = replace(sample.request, history=sample.request.history[-3:])
    np.testing.assert_array_equal(
        answers(plain, [sample]), answers(plain, [replace(sample, request=short)])
    )


def test_the_prompt_may_hold_more_than_the_windows(plain, tmp_path):
    sample = SAMPLES[0]
    two, four = (share(plain, tmp_path, n_shown=n) for n in (2, 4))
    short = replace(sample, request=replace(sample.request, history=sample.request.history[-2:]))
    np.testing.assert_array_equal(answers(two, [sample]), answers(plain, [short]))
    history = four._case(sample.request).history
    assert [p.codes.tolist() for p in history] == [
        p.codes.tolist() for p in four._pictures.of(sample.request.history[-4:])
    ]
    assert len(history) == 4


def test_a_request_without_a_reference_fails_alone(plain):
    bare = replace(SAMPLES[1], request=replace(SAMPLES[1].request, reference=None))
    made = plain.generate([SAMPLES[0], bare, SAMPLES[2]])
    assert isinstance(made[1], Failure)
    assert "no picture to follow" in made[1].reason
    np.testing.assert_array_equal(made[0], answers(plain, SAMPLES[:1])[0])
    np.testing.assert_array_equal(made[2], answers(plain, SAMPLES[2:3])[0])


def test_the_oracle_answers_with_one_of_the_eleven(plain, tmp_path):
    samples = SAMPLES[:2]
    best = answers(share(plain, tmp_path, ratio="oracle"), samples)
    eleven = [answers(share(plain, tmp_path, ratio=k / 10), samples) for k in range(11)]
    for row, image in enumerate(best):
        assert any(np.array_equal(image, made[row]) for made in eleven)


def test_what_is_hidden_is_told(plain, tmp_path):
    """Toy pictures have three tokens; a history of three keeps one of nine at a ratio of .8."""
    request = SAMPLES[0].request
    method = share(plain, tmp_path, ratio=0.6, history_ratio=0.8)
    base = answers(method, SAMPLES[:2])
    said = method.explain(request)
    assert said == method.explain(request)
    assert said.note == "reference masked .7"  # int(3 * .4) = 1 of 3 stays
    assert set(said.history) <= set(request.history[-3:])
    assert {words.removeprefix("masked ") for words in said.history.values()} <= {".3", ".7", "1"}
    (masks,) = method._composer.masks([method._case(request)], [method._setting(0, 0.6)])
    hidden = [round(3 - float(keep.detach().sum())) for keep in masks.history]
    assert sum(hidden) == 8  # int(9 * .2) = 1 stays
    names = {0: None, 1: "masked .3", 2: "masked .7", 3: "masked 1"}
    shown = dict(zip(request.history[-3:], hidden, strict=True))
    assert said.history == {item: names[n] for item, n in shown.items() if n}
    np.testing.assert_array_equal(answers(method, SAMPLES[:2]), base)
    assert isinstance(method, Explains)


@pytest.mark.parametrize(
    ("keep", "words"),
    [([1, 1], "0"), ([0, 0], "1"), ([1, 0, 1], ".3"), ([0] + [1] * 24, "0"), ([0, 1, 0, 0], ".8")],
)
def test_a_share_in_words(keep, words):
    """1 of 3 is .3, 1 of 25 rounds to 0, and 3 of 4 to .8 (to even)."""
    assert hidden(torch.tensor(keep, dtype=torch.float32)) == words


def test_nothing_is_told_where_it_depends_on_the_sample(plain, tmp_path):
    request = SAMPLES[0].request
    assert share(plain, tmp_path, ratio="oracle").explain(request) == Explanation()
    assert plain.explain(replace(request, reference=None)) == Explanation()
    everything = share(plain, tmp_path, history_ratio=0.0, ratio=0.0).explain(request)
    assert everything == Explanation({}, "reference masked 0")


@pytest.mark.parametrize(
    "options",
    [
        {"stage": 1}, {"without": "visual"}, {"without": "text"}, {"without": "encoding"},
        {"reference_mask": "none"}, {"reference_mask": "low"}, {"reference_mask": "high"},
        {"training_history_ratio": 0.0}, {"mask": "released"}, {"history_dropout": 0.9},
        {"stop_on": "gain"},
    ],
    ids=str,
)  # fmt: skip
def test_ablations_fit_and_differ(plain, options):
    method = fitted(**options)
    assert answers(method).shape == answers(plain).shape
    if "stop_on" not in options:
        assert learned(method) != learned(plain)


def test_too_few_likes_are_said():
    with pytest.raises(DataError, match="more than 5 likes"):
        fitted(n_history=5)


def test_a_stack_without_the_model_is_said():
    class Plain(ToyStack):
        roles = ("image_encoder", "clip")

    method = Pigeon(Pigeon.Config.model_validate(PRESETS["check"]))
    with pytest.raises(MissingRoleError, match="has no lmm"):
        method.fit(WORLD.train, FitContext(Plain(), 3, features_of(STACK)))


def test_files_that_do_not_fit_are_said(plain, tmp_path):
    with pytest.raises(RunError, match="no saved pigeon"):
        share_of_nothing(tmp_path / "none")
    plain.save(tmp_path)
    wide = Pigeon(plain.config.model_copy(update={"adapter_hidden_size": 9}))
    with pytest.raises(RunError, match="another shape"):
        wide.load(tmp_path, STACK, WORLD.train)
    low = Pigeon(plain.config.model_copy(update={"rank": 4}))
    low.load(tmp_path, STACK, WORLD.train)
    with pytest.raises(RunError, match="LoRA"):
        low.generate(SAMPLES[:1])


def share_of_nothing(folder):
    method = Pigeon(Pigeon.Config.model_validate(PRESETS["check"]))
    method.load(folder, STACK, WORLD.train)
