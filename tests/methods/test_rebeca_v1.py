"""The network of REBECA's first version; training and sampling: test_diffusion_priors.py."""

from functools import partial

import pytest
import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.prior.layers import build
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


def test_sequence_is_four_user_tokens_one_rating_one_time_one_image():
    network = build(partial(RebecaV1Prior, SMALL, 16, 3), generator())
    assert network.position.num_embeddings == 4 + 1 + 1 + 1
    assert network.user.weight.shape == (3 + 1, 4 * 8)  # one more row: the null user
    assert network.rating.weight.shape == (3, 8)


def test_parameter_count():
    # By hand, E=16, H=8, 3 users: users 4*32 = 128, ratings 24, time 256*8+8 + 72 = 2128,
    # image 16*8+8 = 136, positions 7*8 = 56, layer: norms 32, attention 4*72 = 288,
    # MLP 288+264 = 552 => 872, twice 1744; norm 16; head 8*16+16 = 144.
    network = build(partial(RebecaV1Prior, SMALL, 16, 3), generator())
    expected = 128 + 24 + 2128 + 136 + 56 + 1744 + 16 + 144
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
