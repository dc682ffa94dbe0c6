"""The network of REBECA's first version; training and sampling: test_diffusion_priors.py."""

from functools import partial

import pytest
import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.prior.layers import build
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca_v1 import DecoderLayer, RebecaV1, RebecaV1Config, RebecaV1Prior

SMALL = RebecaV1Config(n_layers=2, n_heads=2, hidden_size=8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_defaults_are_the_selected_model():
    # Appendix A.1 of the extended abstract.
    config = RebecaV1Config(**RebecaV1.presets["paper"])
    assert (config.n_layers, config.n_heads) == (8, 16)
    assert (config.n_user_tokens, config.n_image_tokens) == (4, 1)
    assert (config.learning_rate, config.weight_decay) == (1e-4, 1e-5)
    assert config.ratings_per_user == 80
    assert config.prediction == "epsilon"
    assert config.guidance_scale == 1 + 10  # section 4.2: w = 10


# The numbers that the method's card states; the final model of 001 has 4.4 M.
@pytest.mark.parametrize(
    ("options", "expected"), [({}, 4_204_289), ({"hidden_size": 1024}, 105_058_304)]
)
def test_the_published_size_is_light(options, expected):
    config = RebecaV1Config(**{**RebecaV1.presets["paper"], **options})
    with torch.device("meta"):
        network = RebecaV1Prior(config, 1024, 210)
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize(("size", "n_image_tokens"), [(8, 1), (16, 1), (8, 2)])
def test_the_embedding_passes_beside_tokens_that_are_narrower(size, n_image_tokens):
    config = RebecaV1Config(n_layers=1, n_heads=2, hidden_size=size, n_image_tokens=n_image_tokens)
    network = build(partial(RebecaV1Prior, config, 16, 3), generator())
    assert (network.beside is None) == (size * n_image_tokens >= 16)
    if network.beside is not None:
        x, user = torch.randn(3, 16, generator=generator(1)), torch.arange(3)
        before = network(x, user, user, user % 2)
        with torch.no_grad():
            network.beside.bias.fill_(2.0)
        torch.testing.assert_close(network(x, user, user, user % 2), before + 2 * x)


def test_a_narrow_network_learns_noise_that_its_token_cannot_carry():
    # 64 dimensions of noise through a token of 8: without the way beside it no loss is below
    # (64 - 8) / 64 = .875, whatever the weights.
    config = RebecaV1Config(
        n_layers=1, n_heads=2, hidden_size=8, n_user_tokens=1, batch_size=64, learning_rate=1e-2,
        max_epochs=8, n_validation=2,
    )  # fmt: skip
    g = generator(3)
    item = torch.arange(600)
    ratings = RatingTensors(item, item % 3, item % 2)
    data = TrainingData(torch.randn(600, 64, generator=g), ratings)
    trainer = PriorTrainer(build(partial(RebecaV1Prior, config, 64, 3), g), data, config, g)
    for _ in range(8):
        trainer.run_epoch()
    assert trainer.history.validation_loss[-1] < 0.7


def test_sequence_is_four_user_tokens_one_rating_one_time_one_image():
    network = build(partial(RebecaV1Prior, SMALL, 16, 3), generator())
    assert network.position.num_embeddings == 4 + 1 + 1 + 1
    assert network.user.weight.shape == (3 + 1, 4 * 8)  # one more row: the null user
    assert network.rating.weight.shape == (3, 8)


def test_parameter_count():
    # By hand, E=16, H=8, 3 users: users 4*32 = 128, ratings 24, time 256*8+8 + 72 = 2128,
    # image 16*8+8 = 136, positions 7*8 = 56, layer: norms 32, attention 4*72 = 288,
    # MLP 288+264 = 552 => 872, twice 1744; norm 16; head 8*16+16 = 144; beside them 8+1 = 9.
    network = build(partial(RebecaV1Prior, SMALL, 16, 3), generator())
    expected = 128 + 24 + 2128 + 136 + 56 + 1744 + 16 + 144 + 9
    assert sum(p.numel() for p in network.parameters()) == expected


def test_layers_are_causal():
    layer = build(partial(DecoderLayer, 8, 2), generator())
    x = torch.randn(1, 5, 8, generator=generator(1))
    later = x.clone()
    later[:, 3:] += 1
    difference = (layer(x) - layer(later)).abs().amax(dim=(0, 2))
    assert difference[:3].max() < 1e-6
    assert difference[3:].min() > 1e-3


@pytest.mark.parametrize("which", ["x", "time", "user", "rating"])
def test_every_token_reaches_the_image(which):
    network = build(partial(RebecaV1Prior, SMALL, 16, 3), generator())
    named = {
        "x": torch.randn(3, 16, generator=generator(1)),
        "time": torch.tensor([0, 10, 999]),
        "user": torch.tensor([0, 1, 3]),
        "rating": torch.tensor([0, 1, 2]),
    }
    changed = named[which].roll(1, dims=0)
    difference = network(**named) - network(**{**named, which: changed})
    assert difference.abs().amax(dim=1).min() > 1e-4


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="n_heads=3 does not divide hidden_size=8"):
        RebecaV1(RebecaV1Config(n_heads=3, hidden_size=8)).network(16, 2)
