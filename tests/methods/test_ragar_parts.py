"""Mapper, detailed feature, calibrator, stage 0 and warm start on tiny random models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusion_case import WIDTH, seeded
from ragar_case import SIZE, ListingLlm, random_rows, said_train, states, tiny_llm

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.ragar.calibrator import BalanceCalibrator
from persongen_bench.methods.ragar.config import CHECK, RagarConfig
from persongen_bench.methods.ragar.detail import DetailedFeatures, frozen_language
from persongen_bench.methods.ragar.generator import Generator, detailed, prompt_states
from persongen_bench.methods.ragar.mapper import MapperShape, ModalMapper
from persongen_bench.methods.ragar.pool import TrainingRequest, fill_pool
from persongen_bench.methods.ragar.preferences import Asked, ItemWords, Models, Preferences
from persongen_bench.methods.ragar.stage0 import Examples, fit_detail
from persongen_bench.methods.ragar.warm import warm_up
from persongen_bench.util.training import Workshop

ROWS = 77
CONFIG = RagarConfig.model_validate(CHECK)
PROMPTS = ["Draw: a red star", "+ night, pixel\nDraw: a small blue heart", "Draw: a cross"]


def config(**options):
    return CONFIG.model_copy(update=options)


def detail(**options):
    made = seeded(1, lambda: DetailedFeatures(tiny_llm(), (ROWS, WIDTH), config(**options)))
    return made.eval()


def generator(**options):
    return seeded(1, lambda: Generator(tiny_llm(), (ROWS, WIDTH), config(**options))).eval()


def asked(text="a red star", keywords=("night", "pixel")):
    return Asked(text, keywords, (), np.zeros(0))


def bits(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


def test_the_mapper_has_gills_layers_and_shapes():
    mapper = ModalMapper(MapperShape(24, 77, 768))
    assert mapper(torch.zeros(2, 8, 24)).shape == (2, 77, 768)
    assert (len(mapper.encoder.layers), len(mapper.decoder.layers)) == (4, 4)
    assert mapper.queries.shape == (77, 512)
    layer = mapper.encoder.layers[0]
    assert (layer.self_attn.num_heads, layer.linear1.out_features, layer.norm_first) == (
        4, 2048, True
    )  # fmt: skip
    assert {m.p for m in mapper.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}


@pytest.mark.parametrize("n_text_rows", [0, 4, 30])
def test_text_rows_and_mapped_rows_fill_the_prompt(n_text_rows):
    """30 rows are more than these prompts have words: what is missing is zero, in front."""
    made = detail(n_text_rows=n_text_rows)
    said = made(PROMPTS)
    assert said.whole.shape == (3, ROWS, WIDTH)
    assert said.mapped.shape == (3, ROWS - n_text_rows, WIDTH)
    assert torch.equal(said.whole[:, n_text_rows:], said.mapped)
    if n_text_rows == 30:
        n_words = len(tiny_llm().tokenizer(tiny_llm().template(PROMPTS[0]))["input_ids"])
        assert said.whole[0, : 30 - n_words].abs().max() == 0
        assert said.whole[0, 30 - n_words].abs().max() > 0


def test_a_feature_does_not_depend_on_its_neighbours():
    made = detail(n_text_rows=6)
    together = made(PROMPTS).whole
    for place, prompt in enumerate(PROMPTS):
        alone = made([prompt]).whole[0]
        assert (together[place] - alone).abs().max() < 1e-5
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_more_text_rows_than_the_prompt_has_are_refused():
    with pytest.raises(ConfigError, match="n_text_rows=77 leaves no row of 77"):
        detail(n_text_rows=ROWS)


@pytest.mark.parametrize("trained", ["tokens", "all"])
def test_what_of_the_language_model_is_trained(trained):
    llm = tiny_llm().model
    before = bits(llm)
    with frozen_language(llm):
        made = detail(trained=trained)
        made.requires_grad_(True)
        made(PROMPTS).whole.square().sum().backward()
        assert all(weight.grad is None for weight in llm.parameters())
    assert made.tokens.grad.abs().sum(dim=1).min() > 0
    names = {name.split(".")[0] for name, _ in made.named_parameters()}
    assert ("language" in names) == (trained == "all")
    if trained == "all":
        assert made.language is not llm.base_model
        assert made.language.layers[0].self_attn.q_proj.weight.grad.abs().max() > 0
    assert same(before, bits(llm))
    assert made.tokens.shape == (8, SIZE)


def test_the_stacks_language_model_comes_back_as_it_was():
    llm = tiny_llm().model
    flags = [weight.requires_grad for weight in llm.parameters()]
    with frozen_language(llm):
        assert not any(weight.requires_grad for weight in llm.parameters())
    assert [weight.requires_grad for weight in llm.parameters()] == flags


def test_the_calibrator_starts_as_the_identity():
    """To the bit: its output projection is zero."""
    calibrator = seeded(1, lambda: BalanceCalibrator(WIDTH, 4))
    d, g = (torch.from_numpy(random_rows(2, ROWS, WIDTH, seed=k)) for k in (1, 2))
    assert torch.equal(calibrator(d, g), d)
    torch.nn.init.normal_(calibrator.attention.out_proj.weight)
    moved = calibrator(d, g)
    assert (moved - d).abs().max() > 0.1
    # Keys have no order: attention is a law over a set.
    torch.testing.assert_close(calibrator(d, g.flip(1)), moved, atol=1e-5, rtol=1e-4)
    assert (calibrator(d, 2 * g + 1) - moved).abs().max() < 1e-4  # normalised first


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match=r"calibrator_heads=5 .* width of 32"):
        BalanceCalibrator(WIDTH, 5)


def test_states_are_the_detailed_feature_until_the_calibrator_is_trained():
    made = generator()
    d = detailed(made, asked()).numpy()
    np.testing.assert_array_equal(prompt_states(made, states(), asked()), d)
    torch.nn.init.normal_(made.calibrator.attention.out_proj.weight)
    p = prompt_states(made, states(), asked())
    assert np.abs(p - d).max() > 0.1
    made.calibrated = False
    np.testing.assert_array_equal(prompt_states(made, states(), asked()), d)


def test_text_states_are_the_pipelines():
    one = states()
    assert one.shape == (ROWS, WIDTH)
    expected = states().batch(["a red star"])[0]
    assert torch.equal(one.of("a red star"), expected)
    assert (one.of("a red star") - one.of("a blue star")).abs().max() > 0.1


def examples():
    train = said_train()
    words = ItemWords(train.catalog, None)
    made = Preferences(Models(None, ListingLlm(), None), words, config(similarity="words"))
    made.mine(train.catalog.ids)
    subjects = words.subjects(train.catalog.ids)
    return Examples(subjects, list(made.mined().values()), made)


def test_examples_hold_subjects_and_keywords_that_agree_with_them():
    drawn = examples().draw(300, np.random.default_rng(0))
    texts = {one.text for one in drawn}
    assert {"red picture", "red picture, paper", "blue picture, night"} <= texts
    assert not any("paper" in text and "night" in text for text in texts)
    said = [one for one in drawn if one.text == "red picture, paper"]
    assert {one.prompt for one in said} == {"+ paper\nDraw: red picture"}


@pytest.mark.parametrize("trained", ["tokens", "all"])
def test_stage_0_approaches_the_text_encoder(trained):
    made, workshop = detail(trained=trained, mapper_size=32), Workshop()
    stage = config(mapper_steps=60, mapper_batch_size=8, mapper_learning_rate=5e-3)
    before = bits(tiny_llm().model)
    with frozen_language(tiny_llm().model):
        fit_detail(made, examples(), states(), stage, workshop, seed=3)
    first, last = workshop.log[0]["loss"], workshop.log[-1]["loss"]
    # Rows of the text encoder have length sqrt(32) = 5.7 (layer norm); it starts near there.
    assert last < 0.9 * first
    assert same(before, bits(tiny_llm().model))
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_the_warm_start_moves_the_calibrator_towards_the_keywords():
    made = generator()
    requests = [TrainingRequest("u", "i", asked(t, k)) for t in ("a star", "a heart")
                for k in (("night",), ("paper", "pixel"))]  # fmt: skip
    pool, kept = fill_pool(requests, made, states()), bits(made.detail)
    workshop = Workshop()
    warm_up(made, pool, config(warm_steps=60, warm_learning_rate=5e-3), workshop, seed=0)
    with torch.no_grad():
        moved = made.general(pool.detail, pool.overall)
    start, end = ((rows - pool.whole).norm(dim=2).mean() for rows in (pool.detail, moved))
    assert float(end) < 0.8 * float(start)
    assert same(kept, bits(made.detail))  # the calibrator alone
    torch.testing.assert_close(pool.plain[0], states().of("a star"))
    torch.testing.assert_close(pool.whole[1], states().of("a star, paper, pixel"))
    torch.testing.assert_close(pool.overall[1], states().of("paper, pixel"))
