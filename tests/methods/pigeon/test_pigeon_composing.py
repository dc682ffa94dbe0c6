"""The hybrid prompt, and where its gradients go."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pigeon_case import LMM, TRAIN, composer_of

from persongen_bench.core.language import PicturePart
from persongen_bench.methods.pigeon.composing import Case, Setting
from persongen_bench.methods.pigeon.pictures import Pictures, embeddings

ITEMS = TRAIN.liked_items["user-0"]
PICTURES = Pictures(LMM, TRAIN.catalog).of(ITEMS)
CASE = Case(tuple(PICTURES[:3]), PICTURES[4], "red")
FIT = Setting(0.5, 0.2, "fit", 11)
N, T = 9, 3  # three pictures of three tokens


def kept(tensors):
    return [[round(v) for v in tensor.tolist()] for tensor in tensors]


def test_token_embeddings_are_the_models_own():
    """The rows of the embedding table for the ids of the codes, which the toy's layout names."""
    table = LMM.model.get_input_embeddings().weight
    ids = torch.from_numpy(PICTURES[0].codes) + LMM.layout.first_code
    torch.testing.assert_close(PICTURES[0].tokens, table[ids])
    many = embeddings(LMM, [p.codes for p in PICTURES])
    assert all(torch.equal(a, b.tokens) for a, b in zip(many, PICTURES, strict=True))


def test_the_parts_of_a_prompt():
    composer = composer_of(instruction="Draw.")
    (prompt,) = composer.prompts([CASE], [FIT])
    kinds = [type(part).__name__ for part in prompt]
    assert kinds == ["str", "str", "PicturePart", "PicturePart", "PicturePart", "str", "Tensor"]
    assert prompt[0] == "Draw."
    assert prompt[1] == "The user likes the following images:"
    assert prompt[5] == "The reference image: red"
    assert prompt[6].shape == (1, LMM.model.get_input_embeddings().weight.shape[1])
    assert float(prompt[6].detach().abs().max()) <= 1
    for part, picture in zip(prompt[2:5], CASE.history, strict=True):
        np.testing.assert_array_equal(part.codes, picture.codes)


def test_the_vector_may_stand_before_the_words():
    (after,) = composer_of().prompts([CASE], [FIT])
    (before,) = composer_of(visual_place="before").prompts([CASE], [FIT])
    assert before[-1] == after[-2] == "The reference image: red"
    assert torch.equal(before[-2], after[-1])
    assert len(before) == len(after)


@pytest.mark.parametrize(
    ("without", "words", "last"),
    [
        ("visual", "The reference image: red", str),
        ("text", "The reference image:", torch.Tensor),
        ("encoding", "The reference image: red", PicturePart),
    ],
)
def test_what_the_ablations_leave_out(without, words, last):
    (prompt,) = composer_of(without=without).prompts([CASE], [FIT])
    assert words in [part for part in prompt if isinstance(part, str)]
    assert isinstance(prompt[-1], last)
    if without == "encoding":
        assert not prompt[-1].guided  # guidance must not move away from the reference
        assert sum(kept([prompt[-1].keep])[0]) == 1  # half of three tokens, rounded down


def test_the_history_ratio_is_one_of_all_tokens_together():
    (masks,) = composer_of().masks([CASE], [FIT])
    assert sum(map(sum, kept(masks.history))) == 7  # int(9 * .8)
    assert len(masks.history) == 3
    (masks,) = composer_of().masks([CASE], [replace(FIT, history_ratio=0.0)])
    assert kept(masks.history) == [[1, 1, 1]] * 3
    (masks,) = composer_of().masks([CASE], [replace(FIT, history_ratio=1.0)])
    assert sum(map(sum, kept(masks.history))) == 1


def test_a_ratio_of_one_leaves_one_token_of_the_reference():
    (masks,) = composer_of().masks([CASE], [replace(FIT, ratio=1.0)])
    assert sum(kept([masks.reference])[0]) == 1
    (masks,) = composer_of(reference_mask="none").masks([CASE], [replace(FIT, ratio=1.0)])
    assert kept([masks.reference]) == [[1, 1, 1]]


def test_phases_hide_opposite_ends():
    """Without noise, two of three tokens: what the fit keeps is the lowest score."""
    composer = composer_of(mask="differentiable")
    inference = Setting(0.6, 0.2, "inference", 0)
    (masks,) = composer.masks([CASE], [inference])
    (high,) = composer_of(reference_mask="high").masks([CASE], [inference])
    kept_now, kept_then = kept([masks.reference])[0], kept([high.reference])[0]
    assert kept_now.index(1) != kept_then.index(1)
    assert sum(kept_now) == sum(kept_then) == 1


def test_noise_enters_in_the_fit_and_in_released_code_alone():
    composer, released = composer_of(), composer_of(mask="released")
    for made, phase, changes in (
        (composer, "fit", True), (composer, "inference", False), (released, "inference", True),
    ):  # fmt: skip
        masks = made.masks([CASE] * 20, [Setting(0.5, 0.5, phase, k) for k in range(20)])
        different = {str(kept([*m.history, m.reference])) for m in masks}
        assert (len(different) > 1) is changes


def gradients(case=CASE, setting=FIT, **options):
    composer = composer_of(**options)
    (prompt,) = composer.prompts([case], [setting])
    LMM.log_probabilities([prompt], [CASE.reference.codes]).sum().backward()
    total = {
        name: sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None)
        for name, part in composer.parts.named_children()
    }
    return total["generator"], total["adapter"]


def test_gradients_reach_the_generator_where_masks_are_differentiable():
    generator, adapter = gradients()
    assert generator > 0
    assert adapter > 0


def test_none_reaches_it_in_the_released_code():
    generator, adapter = gradients(mask="released")
    assert generator == 0
    assert adapter > 0


@pytest.mark.parametrize("without", [None, "encoding"])
def test_the_masked_reference_alone_trains_it_too(without):
    assert gradients(replace(CASE, history=()), without=without)[0] > 0


def test_a_prompt_of_words_trains_nothing():
    (prompt,) = composer_of(without="visual").prompts([replace(CASE, history=())], [FIT])
    assert prompt == ["The reference image: red"]


def test_blind_prompts_hide_the_pictures_in_their_places():
    """Nothing attends to them: another history behind the same places says the same."""
    composer = composer_of(without="visual", training_history_ratio=0.0)
    blind, other = replace(FIT, blind=True), replace(CASE, history=tuple(PICTURES[1:4]))
    one, two = composer.prompts([CASE, other], [blind, blind])
    assert [part.hidden for part in one if isinstance(part, PicturePart)] == [True] * 3
    with torch.no_grad():
        said = LMM.log_probabilities([one, two], [CASE.reference.codes] * 2)
        seen = LMM.log_probabilities(composer.prompts([CASE], [FIT]), [CASE.reference.codes])
    assert torch.equal(said[0], said[1])
    assert (said[0] - seen[0]).abs().max() > 1e-4


def test_without_a_history_its_words_are_left_out():
    (prompt,) = composer_of().prompts([replace(CASE, history=())], [FIT])
    assert [type(part).__name__ for part in prompt] == ["str", "Tensor"]


def test_prompts_alone_are_those_of_a_batch():
    composer = composer_of()
    cases = [CASE, Case((), PICTURES[0], None), replace(CASE, history=CASE.history[:1])]
    settings = [Setting(0.4, 0.2, "inference", k) for k in range(3)]
    together, alone = composer.prompts(cases, settings), composer.prompts_alone(cases, settings)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[-1].detach(), other[-1])
        assert [p for p in one if isinstance(p, str)] == [p for p in other if isinstance(p, str)]
