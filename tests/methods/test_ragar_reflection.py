"""Reflection: which term trains what, what is drawn, when it ends, and that it climbs."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusion_case import WIDTH, seeded
from pydantic import ValidationError
from ragar_case import random_rows, said_train, states, tiny_llm

from persongen_bench.core.roles import DrawOptions
from persongen_bench.methods.ragar.config import CHECK, PAPER, SANDBOX, RagarConfig
from persongen_bench.methods.ragar.generator import Generator
from persongen_bench.methods.ragar.pool import TrainingRequest, fill_pools, requests_of
from persongen_bench.methods.ragar.preferences import Asked
from persongen_bench.methods.ragar.reflection import Reflection
from persongen_bench.methods.ragar.rewards import RankReward
from persongen_bench.methods.ragar.tools import Tools, Visual
from persongen_bench.methods.ragar.validation import Standing
from persongen_bench.rankers.ranker import RankingData
from persongen_bench.rankers.vbpr import Vbpr, VbprConfig

ROWS = 77
ALL = {"rank_weight": 1.0, "calibrator_weight": 1.0, "semantic_weight": 1.0, "n_noise": 3}


def config(**options):
    return RagarConfig.model_validate({**CHECK, **options})


class Brightness:
    """Draws the first number of the mean row as a shade of grey; counts its pictures."""

    def __init__(self):
        self.seeds = []

    def draw(self, conditions, seeds, options):
        self.seeds += list(seeds)
        means = [condition.prompt_embeds[:, 0].mean() for condition in conditions]
        shades = [np.uint8(np.clip(128 + 60 * mean, 0, 255)) for mean in means]
        return [np.full((3, 4, 4), shade) for shade in shades]


class LikesBright:
    """A reward in place of a ranking model's; from call ``turns`` on it likes dark pictures."""

    def __init__(self, turns=10**9):
        self.calls, self.turns = 0, turns

    def of_images(self, users, items, images):
        self.calls += 1
        sign = 1 if self.calls <= self.turns else -1
        return np.array([sign * float(image.mean()) / 60 for image in images])

    def of_own(self, users, items):
        return np.zeros(len(users))


class Steady:
    """A ``clip`` to which all is alike, until ``after`` calls have been made."""

    def __init__(self, after=10**9):
        self.calls, self.after = 0, after

    def encode(self, images):
        self.calls += 1
        row = [1.0, 0.0] if self.calls <= self.after else [0.0, 1.0]
        return np.tile(row, (len(images), 1))

    def encode_texts(self, texts):
        return np.tile([1.0, 0.0], (len(texts), 1))


def reflection(clip=None, seed=5, reward=None, n_validation=0, **options):
    """Six requests to train on; ``n_validation`` of two more texts are held back."""
    made = config(**options, n_validation=n_validation)
    generator = seeded(1, lambda: Generator(tiny_llm(), (ROWS, WIDTH), made)).eval()
    generator.requires_grad_(False)
    requests = [
        TrainingRequest("u", f"{place}", Asked(text, keywords, (), np.zeros(0)))
        for place, (text, keywords) in enumerate(
            product(("a star", "a red heart", "a circle"), (("night",), ("paper", "pixel"), ()))
        )
    ][: 6 + n_validation]
    pools = fill_pools(requests, n_validation, generator, states())
    visual = Visual(
        torch.from_numpy(random_rows(WIDTH + 1, 5)), torch.from_numpy(random_rows(6, 5, seed=1))
    )
    tools = Tools(Brightness(), reward or LikesBright(), clip or Steady(), visual)
    return Reflection(generator, pools, tools, made, seed), generator, tools


def gradients(made, term):
    """Of one term alone, on everything that the reflection trains; ``{}`` where it trains none."""
    for parameter in made.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None
    losses = made.losses(np.arange(4), np.random.default_rng(0))
    losses[term].backward()
    named = dict(made._generator.named_parameters())
    trained = {id(parameter) for parameter in made.parameters()}
    return {
        name: 0.0 if p.grad is None else float(p.grad.abs().max())
        for name, p in named.items() if id(p) in trained
    }  # fmt: skip


def past_the_start(generator):
    """A calibrator that has moved: at its zero start its output projection alone can."""
    torch.manual_seed(0)
    torch.nn.init.normal_(generator.calibrator.attention.out_proj.weight, std=0.2)


@pytest.mark.parametrize("train", ["calibrator", "calibrator+mapper"])
@pytest.mark.parametrize("term", ["rank", "calibrator", "semantic"])
@pytest.mark.parametrize("noise", ["shared", "rows"])
def test_every_term_reaches_all_that_is_trained(train, term, noise):
    made, generator, _ = reflection(**ALL, train=train, semantic_on="output", noise=noise)
    past_the_start(generator)
    found = gradients(made, term)
    assert min(found.values()) > 0, found
    parts = {".".join(name.split(".")[:2]) for name in found}
    assert any(name.startswith("calibrator.") for name in parts)
    assert ("detail.tokens" in parts) == (train == "calibrator+mapper")


@pytest.mark.parametrize("term", ["rank", "calibrator", "semantic"])
def test_at_the_start_every_term_reaches_the_output_projection(term):
    made, _, _ = reflection(**ALL, semantic_on="output", train="calibrator")
    assert gradients(made, term)["calibrator.attention.out_proj.weight"] > 0


def test_the_semantic_loss_on_the_mapper_trains_the_mapper_and_no_calibrator():
    made, generator, _ = reflection(**ALL, train="calibrator+mapper", semantic_on="mapper")
    past_the_start(generator)
    found = gradients(made, "semantic")
    assert min(v for n, v in found.items() if n.startswith(("detail.mapper", "detail.tok"))) > 0
    assert max(v for n, v in found.items() if n.startswith("calibrator")) == 0


def test_a_semantic_loss_without_a_gradient_is_refused():
    with pytest.raises(ValidationError, match=r"has no gradient.*train=calibrator"):
        config(train="calibrator", semantic_on="mapper", semantic_weight=0.1)
    config(train="calibrator", semantic_on="mapper", semantic_weight=0)
    config(train="calibrator", semantic_on="mapper", semantic_weight=1, calibrator="off")


def test_other_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="n_noise of 2 or more"):
        config(n_noise=1, baseline="leave-one-out")
    config(n_noise=1, baseline="none")
    with pytest.raises(ValidationError, match="mapper_heads=4 does not divide mapper_size=6"):
        config(mapper_size=6)


def test_the_presets_say_what_is_printed():
    paper = RagarConfig.model_validate(PAPER)
    # Paper 002: k = 5 of the last 20, four layers, three perturbations, MICRO.
    assert (paper.k, paper.n_history, paper.mapper_layers, paper.n_noise) == (5, 20, 4, 3)
    assert (paper.ranker, paper.ranker_settings, paper.warm_steps) == ("micro", "published", 0)
    # GILL, after which the paper's generator is built.
    assert (paper.n_special_tokens, paper.mapper_size, paper.mapper_heads) == (8, 512, 4)
    assert (paper.mapper_learning_rate, paper.trained) == (1e-3, "tokens")
    assert RagarConfig.model_validate(SANDBOX).baseline == "leave-one-out"


def test_weights_of_zero_leave_their_terms_out():
    for name in ("rank", "calibrator", "semantic"):
        weights = {**ALL, "semantic_on": "output", f"{name}_weight": 0.0}
        made, _, _ = reflection(**weights)
        losses = made.losses(np.arange(2), np.random.default_rng(0))
        assert set(losses) == {"rank", "calibrator", "semantic"} - {name}
    off, _, _ = reflection(**{**ALL, "semantic_on": "output", "rank_reward": "off"})
    assert set(off.losses(np.arange(2), np.random.default_rng(0))) == {"calibrator", "semantic"}


@pytest.mark.parametrize(("baseline", "n_drawn"), [("leave-one-out", 6), ("none", 8)])
def test_pictures_of_a_request_share_a_seed(baseline, n_drawn):
    """Two requests, three perturbations; the keywords' picture only where it is compared with."""
    made, _, tools = reflection(baseline=baseline, n_noise=3)
    made.losses(np.arange(2), np.random.default_rng(0))
    seeds = tools.decoder.seeds
    assert len(seeds) == n_drawn
    assert seeds[0] == seeds[1] == seeds[2] != seeds[3] == seeds[4] == seeds[5]
    assert seeds[6:] == ([seeds[0], seeds[3]] if baseline == "none" else [])


def test_the_same_seed_reflects_the_same_and_another_one_differs():
    runs = []
    for seed in (5, 5, 6):
        made, generator, _ = reflection(seed=seed, reflection_steps=3)
        made.run(lambda items, *_: items)
        runs.append((made.log.reward, generator.calibrator.attention.out_proj.weight))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert torch.equal(runs[0][1], runs[1][1])


def test_it_climbs_a_reward():
    """Brightness follows one number of the mean row; 60 steps raise it by two deviations."""
    made, generator, _ = reflection(
        reflection_steps=60, reflection_batch_size=6, semantic_weight=0.0, learning_rate=3e-3
    )
    kept = {n: p.clone() for n, p in generator.detail.named_parameters()}
    made.run(lambda items, *_: items)
    first, last = np.mean(made.log.reward[:10]), np.mean(made.log.reward[-10:])
    assert last > first + 2 * 0.3
    assert made.log.stopped is None
    assert len(made.log.loss) == 60
    assert all(torch.equal(kept[n], p) for n, p in generator.detail.named_parameters())
    assert not any(p.requires_grad for p in generator.parameters())


def climbed(steps, **changes):
    made, generator, tools = reflection(
        reflection_steps=steps, reflection_batch_size=6, semantic_weight=0.0, learning_rate=3e-3,
        validation_every=10, **changes,
    )  # fmt: skip
    made.run(lambda items, *_: items)
    return made.log, generator.calibrator.attention.out_proj.weight.clone(), tools


def test_illegible_pictures_end_it_and_the_best_state_before_is_kept():
    """Looks after 0, 10 and 20 steps are legible; the fourth look, after step 30, is not."""
    log, ended, _ = climbed(60, n_validation=3, clip=Steady(after=3))
    assert (log.stopped, log.kept, len(log.reward)) == (30, 20, 30)
    assert [look["legibility"] for look in log.validation] == [1, 1, 1, 0]
    _, wanted, _ = climbed(20, n_validation=3)
    torch.testing.assert_close(ended, wanted, atol=0, rtol=0)


def test_a_reflection_that_does_not_help_leaves_everything_as_it_was():
    """The first look likes bright pictures, every later call dark ones: nothing gets better."""
    log, ended, _ = climbed(20, n_validation=3, reward=LikesBright(turns=1))
    assert log.kept == 0
    assert log.stopped is None
    assert len(log.validation) == 3
    assert bool((ended == 0).all())  # the output projection's start


def test_without_held_back_requests_the_last_state_is_kept():
    log, ended, _ = climbed(20, reward=LikesBright(turns=1))
    assert (log.kept, log.validation) == (20, [])
    assert bool((ended != 0).any())


def test_every_look_draws_the_same_noise():
    _, _, tools = climbed(10, n_validation=3)
    seeds = tools.decoder.seeds
    assert seeds[:3] == seeds[-3:]
    assert len(set(seeds[:3])) == 3


def test_better_is_by_more_than_the_standard_error():
    """Gains .1 and .3: mean .2, deviation .1414, standard error .1; -.1 and .3: mean .1, .2."""
    even = np.ones(2)
    base = Standing(np.zeros(2), even)
    assert Standing(np.array([0.1, 0.3]), even).better(base)
    assert not Standing(np.array([-0.1, 0.3]), even).better(base)
    assert not Standing(np.array([0.5]), even[:1]).better(Standing(np.zeros(1), even[:1]))
    assert Standing(None, even).better(Standing(None, even))


def test_a_request_that_is_trained_on_is_not_held_back():
    made, generator, _ = reflection(n_validation=3)
    known = made._pool.requests
    pools = fill_pools([*known, *known[:2]], 2, generator, states())
    assert (len(pools.trained), pools.held_back) == (6, None)
    new = TrainingRequest("v", known[0].item, known[0].asked)
    pools = fill_pools([*known, known[1], new], 2, generator, states())
    assert pools.held_back.requests == [new]


def test_the_semantic_loss_compares_with_the_text_that_is_asked_for():
    """D as the text with the keywords has it: no distance to that, and some to the reference's."""
    lost = {}
    for text in ("reference", "keywords"):
        made, _, _ = reflection(
            semantic_text=text, semantic_on="output", semantic_weight=1.0, rank_reward="off"
        )
        made._pool.detail.copy_(made._pool.whole)
        lost[text] = float(made.losses(np.arange(2), np.random.default_rng(0))["semantic"])
    assert lost["keywords"] < 1e-5 < 1e-2 < lost["reference"]


def test_judged_pictures_may_be_drawn_in_fewer_steps():
    made = config(n_inference_steps=8, reflection_inference_steps=3)
    assert made.reflection_options == DrawOptions(None, 3)
    assert config(n_inference_steps=8).reflection_options == made.draw_options


# --- the ranking model's opinion -----------------------------------------------------------


class FirstPixels:
    def encode(self, images):
        return np.stack([image[:, 0, 0] / 255.0 for image in images]).astype(np.float32)


def ranking(kind):
    """Three users, six items in three colours; everybody likes one colour."""
    visual = np.repeat(np.eye(3), 2, axis=0).astype(np.float32)
    user, item = (a.ravel() for a in np.meshgrid(range(3), range(6), indexing="ij"))
    kept = item % 2 == 0  # the second of each colour is rated by nobody
    data = RankingData(
        ("a", "b", "c"), tuple("uvwxyz"), user[kept], item[kept], (item // 2 == user)[kept], visual
    )
    ranker = Vbpr(VbprConfig(n_epochs=200, batch_size=8, learning_rate=0.05))
    ranker.fit(data, 0)
    return RankReward(ranker, FirstPixels(), kind)


def picture(*colour):
    return np.tile(np.array(colour, dtype=np.uint8)[:, None, None], (1, 4, 4))


@pytest.mark.parametrize("kind", ["rank", "score"])
def test_the_own_picture_is_worth_what_the_item_is(kind):
    reward = ranking(kind)
    users, items = ["a", "b", "c"], ["v", "x", "v"]
    colours = [picture(255, 0, 0), picture(0, 255, 0), picture(255, 0, 0)]
    np.testing.assert_allclose(
        reward.of_images(users, items, colours), reward.of_own(users, items), atol=1e-6
    )


def test_a_picture_of_what_the_user_likes_is_worth_more():
    users, items = ["a"] * 3, ["x"] * 3
    colours = [picture(0, 255, 0), picture(128, 128, 0), picture(255, 0, 0)]
    for kind in ("rank", "score"):
        found = ranking(kind).of_images(users, items, colours)
        assert found[0] < found[2], kind
        assert found[0] <= found[1] <= found[2]
    # Of the three items that a has not rated (v, x, z), x with v's picture ties with it on top or
    # is next: 1 / log2(1 + rank) of a rank between 1 and 2.
    best = ranking("rank").of_images(users, items, colours)[2]
    assert 1 / np.log2(3) <= best <= 1


def test_pools_hold_training_data_alone():
    """References are catalogue items of the view that their user has not rated, where any are."""
    train = said_train()
    rows = train.interactions
    few = rows[rows["item_id"].isin(train.catalog.ids[:10])]
    view = type(train)(train.catalog, few)
    wanted = SimpleNamespace(
        words=SimpleNamespace(subjects=lambda items: [f"of {i}" for i in items]),
        of=lambda text, history: Asked(text, (), tuple(history), np.zeros(0)),
    )
    rng = np.random.default_rng(0)
    made = requests_of(view, view.users, wanted, config(n_requests=40, n_validation=10), rng)
    assert len(made) == 50
    rated = set(few["item_id"])
    for request in made:
        assert request.item in set(train.catalog.ids) - rated
        assert request.asked.text == f"of {request.item}"
        assert request.asked.retrieved == view.liked_items[request.user]
    assert requests_of(view, [], wanted, config(), rng) == []
