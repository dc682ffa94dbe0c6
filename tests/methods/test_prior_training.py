"""Speed of the priors' training without another result: sums in another order, half precision.

The benchmark's plain loop and network are tested here too: a comparison with a straw man is none.
"""

import importlib.util
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from persongen_bench.methods.prior.layers import attend, build
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.network import PriorBlock, RebecaPrior, together

SMALL = {"n_tokens": 4, "n_layers": 2, "n_heads": 2, "hidden_size": 8}
N_USERS, SIZE = 5, 16


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def jittered(network, seed=2):
    """Every parameter off its start, so that no zero hides a path."""
    g = generator(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=g)
    return network


def data(n=400, seed=0):
    g = generator(seed)
    centres = torch.randn(4, SIZE, generator=g)
    cluster = torch.arange(60) % 4
    embeddings = centres[cluster] + 0.3 * torch.randn(60, SIZE, generator=g)
    item, user = (torch.randint(high, (n,), generator=g) for high in (60, N_USERS))
    liked = (cluster[item] == user % 4).long()
    return TrainingData(embeddings, RatingTensors(item, user, liked))


def trainer(**options):
    config = RebecaConfig(**{**SMALL, "ratings_per_user": 50, "learning_rate": 3e-3, **options})
    network = build(partial(RebecaPrior, config, SIZE, N_USERS), generator())
    return PriorTrainer(network, data(), config, generator(1))


# --- the same network -----------------------------------------------------------------------


def test_modulations_in_one_product_are_those_of_each_layer():
    block = jittered(build(partial(PriorBlock, 8, 2), generator()))
    condition = torch.randn(3, 8, generator=generator(1))
    each = [layer(condition) for layer in block.modulations]
    for one, other in zip(together(block.modulations, condition), each, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_half_precision_is_attention(causal):
    g = generator(3)
    query, key, value = (torch.randn(2, 3, 5, 4, generator=g) for _ in range(3))
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    torch.testing.assert_close(attend(query, key, value, causal=causal), expected)
    half = [part.bfloat16() for part in (query, key, value)]
    found = attend(*half, causal=causal)
    assert found.dtype == torch.bfloat16
    # bfloat16 keeps 8 bits: 2^-8 = .004 of numbers up to about 3.
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0)
    if causal:  # the first token sees itself alone
        torch.testing.assert_close(found[:, :, 0], half[2][:, :, 0])


# --- half precision ---------------------------------------------------------------------------


def test_half_precision_is_of_the_products_of_training_only():
    half, whole = trainer(precision="bfloat16"), trainer()
    rows = torch.arange(32)
    losses = [each.run_batches(rows) for each in (half, whole)]
    assert losses[0].dtype == torch.float32
    assert not torch.equal(*losses)
    # One step from the same weights: the losses agree to the 8 bits of a product.
    torch.testing.assert_close(losses[0], losses[1], rtol=0.02, atol=0)
    assert {p.dtype for p in half.network.parameters()} == {torch.float32}
    assert {v.dtype for s in half.optimizer.state.values() for v in s.values()} == {torch.float32}
    half.network.load_state_dict(whole.network.state_dict())
    assert half._validate() == whole._validate()  # to the bit: validation is float32


def test_half_precision_learns_the_same():
    losses = {}
    for precision in ("float32", "bfloat16"):
        made = trainer(precision=precision, batch_size=25)
        losses[precision] = [made._validate()]
        for _ in range(25):
            made.run_epoch()
        losses[precision].append(made.history.validation_loss[-1])
    assert losses["float32"][0] == losses["bfloat16"][0]
    assert losses["float32"][1] < 0.6 * losses["float32"][0]
    assert losses["bfloat16"][1] == pytest.approx(losses["float32"][1], rel=0.03)


def test_half_precision_is_deterministic():
    one, other = trainer(precision="bfloat16"), trainer(precision="bfloat16")
    for made in (one, other):
        made.run_epoch()
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


# --- the benchmark ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "prior_training.py"
    spec = importlib.util.spec_from_file_location("prior_training_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_plain_network_is_the_same_network(benchmark):
    config = RebecaConfig(**SMALL)
    ours = jittered(build(partial(RebecaPrior, config, SIZE, N_USERS), generator()))
    plain = benchmark.PlainPrior(ours, config)
    n_ours, n_plain = (sum(p.numel() for p in each.parameters()) for each in (ours, plain))
    assert n_ours == n_plain
    g = generator(1)
    inputs = (
        torch.randn(7, SIZE, generator=g), torch.randint(1000, (7,), generator=g),
        torch.arange(7) % (N_USERS + 1), torch.arange(7) % 3,
    )  # fmt: skip
    expected = ours(*inputs)
    torch.testing.assert_close(plain(*inputs), expected, rtol=1e-4, atol=1e-4)
    assert expected.abs().max() > 0.1
    # and they share no weight
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.zero_()
    torch.testing.assert_close(plain(*inputs), expected, rtol=1e-4, atol=1e-4)


def test_both_loops_see_what_the_recipe_says_and_learn_the_same(benchmark):
    made = trainer(batch_size=20)
    plain = benchmark.PlainPrior(made.network, made.config)
    loop = benchmark.PlainLoop(plain, made, made.config)
    before = benchmark.validation_loss(plain, made)
    assert before == pytest.approx(benchmark.validation_loss(made.network, made), rel=1e-5)
    counts = torch.bincount(made.train.user).clamp(max=50)
    per_epoch = math.ceil(int(counts.sum()) / 20)
    assert loop.run(per_epoch) == int(counts.sum())
    assert benchmark.our_steps(made, per_epoch) == int(counts.sum())
    for steps in (loop.run, partial(benchmark.our_steps, made)):
        steps(20 * per_epoch)
    after = [benchmark.validation_loss(each, made) for each in (plain, made.network)]
    assert max(after) < 0.7 * before
    assert after[0] == pytest.approx(after[1], rel=0.06)  # same recipe, other random numbers


def test_the_sampler_draws_per_user_without_replacement(benchmark):
    made = trainer()
    loop = benchmark.PlainLoop(benchmark.PlainPrior(made.network, made.config), made, made.config)
    drawn = list(loop.loader.sampler)
    users = made.train.user.numpy()[drawn]
    assert len(set(drawn)) == len(drawn)
    np.testing.assert_array_equal(
        np.bincount(users), np.minimum(np.bincount(made.train.user.numpy()), 50)
    )
    assert drawn != list(loop.loader.sampler)
