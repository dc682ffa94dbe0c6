"""Sampling and products of the priors: equal to the published recipe, whatever the blocks."""

import importlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from persongen_bench.datasets.flickr_aes import FlickrAes, FlickrAesConfig
from persongen_bench.datasets.flickr_aes_writer import write_flickr_aes
from persongen_bench.methods.prior import diffusion, sampling
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import NULL_RATING, Attention, PriorNetwork, build
from persongen_bench.methods.prior.ratings import TrainingData, tabulate
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca import Rebeca
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.method import SANDBOX
from persongen_bench.methods.rebeca.network import RebecaPrior
from persongen_bench.methods.rebeca_v1 import RebecaV1Config, RebecaV1Prior
from persongen_bench.worlds.flickr_aes import FlickrPlan

SMALL = {"n_tokens": 4, "n_layers": 2, "n_heads": 2, "hidden_size": 16}
SIZE, N_USERS = 32, 5
slow = pytest.mark.slow
FEW_STEPS = {"sampler": "ddim", "n_inference_steps": 2, "guidance_stop": 0.5}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def jittered(network, scale=0.1, seed=2):
    """Every parameter off its start, so that no zero hides a path."""
    g = generator(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=g)
    return network.eval()


def made(config, network=RebecaPrior, size=SIZE):
    return jittered(build(partial(network, config, size, N_USERS), generator()))


def draw(network, config, n, first=0):
    each = np.arange(first, first + n)
    return sampling.sample_embeddings(network, config, each % N_USERS, each * 7919)


# --- the recipe -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    """The plain networks, loops and sampler of the benchmarks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield importlib.import_module("prior_sampling")


@pytest.fixture(scope="module")
def flickr(tmp_path_factory):
    """Ratings read from files of the published layout, and an embedding of every image."""
    root = tmp_path_factory.mktemp("made") / "flickr"
    write_flickr_aes(root, FlickrPlan(N_USERS, 200, 140, seed=5))
    data = FlickrAes.load(FlickrAesConfig(), root)
    train = data.train_view(data.split("per-user"))
    return TrainingData(
        torch.randn(len(train.catalog), SIZE, generator=generator()), tabulate(train)
    )


def test_forward_loss_and_gradients_are_those_of_the_recipe(plain, flickr):
    config = RebecaConfig(**SMALL)
    ours = made(config)
    trainer = PriorTrainer(ours, flickr, config, generator(1))
    theirs = plain.PlainPrior(ours, config)
    batch = trainer.train.take(torch.arange(64))
    time, noise = trainer._draw_noise(64)
    user = batch.user.masked_fill(torch.arange(64) % 5 == 0, N_USERS)  # some are null
    rating = batch.rating.masked_fill(torch.arange(64) % 7 == 0, NULL_RATING)
    batch = type(batch)(batch.item, user, rating)
    noisy = trainer.schedule.add_noise(flickr.embeddings[batch.item], noise, time)
    args = (noisy, time, user, rating)
    torch.testing.assert_close(ours(*args), theirs(*args), rtol=1e-5, atol=1e-6)
    losses = (
        trainer._loss(batch, time, noise),
        F.mse_loss(theirs(*args), trainer.embeddings[batch.item]),
    )
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    for loss in losses:
        loss.backward()
    found, expected = (gradients(each, plain, config) for each in (ours, theirs))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def gradients(network, plain, config):
    """Gradients by the names of the plain network's parameters."""
    if isinstance(network, RebecaPrior):  # `PlainPrior` copies: a network of gradients, copied
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(parameter.grad)
        return {k: v.detach() for k, v in plain.PlainPrior(network, config).named_parameters()}
    return {k: v.grad for k, v in network.named_parameters()}


def test_embeddings_are_those_of_the_recipe(plain):
    """All of a thousand steps on the way there, 50 and 10: `benchmarks/prior_sampling.py`."""
    for steps in (20, 7):
        config = RebecaConfig(**SMALL, n_inference_steps=steps)
        ours = made(config)
        users, seeds = np.repeat([3, 1], 3), np.arange(6)
        expected = plain.plain_samples(plain.PlainPrior(ours, config).eval(), config, users, seeds)
        found = sampling.sample_embeddings(ours, config, users, seeds)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("steps", [10, 1000])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm"])
def test_steps_are_those_of_diffusers(sampler, steps):
    config = PriorConfig(sampler=sampler, n_inference_steps=steps)
    scheduler, weight = diffusion.reverse_process(config), torch.randn(8, 8, generator=generator())
    x, last, draw, other = torch.randn(3, 8, generator=generator(1)), 0, generator(2), generator(2)
    for step in diffusion.reverse_steps(config):
        clean = torch.tanh(x @ weight)
        options = {"generator": draw} if sampler == "ddpm" else {}
        expected = scheduler.step(clean, step.time, x, **options).prev_sample
        noise = step.noise * torch.randn(3, 8, generator=other) if step.noise else 0
        found = step.keep * x + step.clean * clean + step.before * last + noise
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)
        x, last = expected, clean


@pytest.mark.parametrize("block", ["released", "printed"])
@pytest.mark.parametrize("n_tokens", [1, 2, 4])
def test_guidance_computes_nothing_twice_and_the_same(block, n_tokens):
    network = made(RebecaConfig(**{**SMALL, "n_tokens": n_tokens, "block": block}))
    x, user = torch.randn(6, SIZE, generator=generator(1)), torch.arange(6) % N_USERS
    args = (x, torch.tensor(300), user, torch.ones_like(user), 7.0)
    expected = PriorNetwork.guided(network, *args)
    torch.testing.assert_close(network.guided(*args), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_a_token_alone_attends_to_itself_wholly(causal):
    """As `torch.nn.MultiheadAttention` has it, also where no more than its value is computed."""
    ours = jittered(build(partial(Attention, 8, 2, causal=causal), generator()))
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    theirs.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)))
    x = torch.randn(5, 1, 8, generator=generator(1))
    expected = theirs(x, x, x)[0]
    torch.testing.assert_close(ours(x), expected, atol=1e-6, rtol=1e-6)
    with torch.no_grad():
        ours.project.weight[:16].fill_(float("nan"))  # queries and keys are not looked at
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), expected.detach(), atol=1e-6, rtol=1e-6)


# --- blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("config", "network"),
    [
        pytest.param(RebecaConfig(**SANDBOX), RebecaPrior, id="sandbox"),
        pytest.param(RebecaConfig(n_tokens=8, n_layers=1), RebecaPrior, id="tokens", marks=slow),
        pytest.param(RebecaV1Config(n_layers=2), RebecaV1Prior, id="v1", marks=slow),
    ],
)
def test_an_embedding_does_not_depend_on_how_samples_are_divided(config, network, precision):
    """To the bit, for every number of samples from 1 to 64: kernels round by that number."""
    config = config.model_copy(update={**FEW_STEPS, "sampling_precision": precision})
    network = made(config, network, 64)
    whole = draw(network, config, 64)
    for n in range(1, 65):
        assert np.array_equal(draw(network, config, n), whole[:n]), n
    assert np.array_equal(draw(network, config, 7, first=50), whole[50:57])


class Counting(PriorNetwork):
    """Its prediction shows how many rows it got, where these are not ``steady``."""

    def __init__(self, steady):
        super().__init__(2, N_USERS)
        self.steady, self.rows = steady, []

    def forward(self, x, time, user, rating):
        self.rows.append(len(x))
        odd = 0.0 if self.steady(len(x)) else 1e-6 * len(x)
        return 0.5 * x + odd


@pytest.mark.parametrize(
    ("steady", "n", "rows"),
    [
        (lambda _: True, 5, 5),
        (lambda _: True, 1, 4),  # never a row alone
        (lambda rows: rows % 4 == 0, 5, 8),
        (lambda rows: rows % 16 == 0, 5, 16),
        (lambda _: False, 16, 16),
    ],
)
def test_rows_are_added_only_where_the_bits_need_them(steady, n, rows):
    config, network = PriorConfig(**{**FEW_STEPS, "guidance_stop": 0.0}), Counting(steady)
    draw(network, config, n)
    assert network.rows[-2:] == [rows, rows]
    before = len(network.rows)
    draw(network, config, n)
    assert network.rows[before:] == [rows, rows]  # without another trial


def test_blocks_are_of_even_size():
    network = Counting(lambda _: True)
    draw(network, PriorConfig(**{**FEW_STEPS, "guidance_stop": 0.0}), 25)
    assert {13, 12} <= set(network.rows) <= {13, 12, sampling.ROWS}
    assert draw(network, PriorConfig(**FEW_STEPS), 0).shape == (0, 2)


# --- half precision ---------------------------------------------------------------------------


def test_half_precision_draws_nearly_the_same():
    whole = RebecaConfig(**SMALL, sampler="ddim", n_inference_steps=10, guidance_scale=3.0)
    half = whole.model_copy(update={"sampling_precision": "bfloat16"})
    network = made(whole)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    one, other = draw(network, whole, 8), draw(network, half, 8)
    assert other.dtype == np.float32
    assert not np.array_equal(one, other)
    assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(one)
    assert np.array_equal(other, draw(network, half, 8))
    for name, value in network.state_dict().items():  # its own weights stay as they are
        assert value.dtype == torch.float32
        assert torch.equal(value, weights[name])


def test_half_precision_is_recorded_and_shares_the_fit():
    assert "sampling_precision" in Rebeca.generate_fields
    assert "sampling_precision" not in RebecaConfig().model_dump()
    assert RebecaConfig(sampling_precision="bfloat16").model_dump()["sampling_precision"]
