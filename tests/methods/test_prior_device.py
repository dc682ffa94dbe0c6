"""Priors on a device: everything they compute with is where the network is.

No test machine has a GPU. torch's fake tensors stand for one: they have a device and no numbers,
and an operation on two devices raises, as on a real one. Numbers are checked on the CPU, where
nothing moved (`test_prior_training.py`), and on a real GPU by `benchmarks/device.sh`.
"""

from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from persongen_bench.methods.prior import decoding, diffusion, layers, sampling, training
from persongen_bench.methods.prior.layers import build
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.network import RebecaPrior
from persongen_bench.methods.rebeca_v1 import RebecaV1Config, RebecaV1Prior

SIZE, N_USERS, N_ITEMS = 16, 3, 20
NETWORKS = {
    "rebeca": (RebecaConfig, RebecaPrior, {"n_tokens": 4}),
    "rebeca-v1": (RebecaV1Config, RebecaV1Prior, {}),
}
GPU = torch.device("cuda", 0)
no_card = pytest.mark.filterwarnings("ignore:.*CUDA is not available:UserWarning")


def configured(name, **options):
    kind, network, own = NETWORKS[name]
    config = kind(n_layers=1, n_heads=2, hidden_size=8, ratings_per_user=8, **own, **options)
    return config, partial(network, config, SIZE, N_USERS)


def rated():
    g = torch.Generator().manual_seed(0)
    item = torch.randint(N_ITEMS, (60,), generator=g)
    user = torch.arange(60) % N_USERS
    return TrainingData(
        torch.randn(N_ITEMS, SIZE, generator=g), RatingTensors(item, user, item % 2)
    )


@pytest.fixture
def fake():
    """Turns on a machine whose GPU has no numbers; what needs numbers is made before."""
    layers._frequencies.cache_clear()
    with ExitStack() as stack:
        yield lambda: stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
    layers._frequencies.cache_clear()


def on_gpu(make):
    with torch.device(GPU):
        return make()


@no_card
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_steps_stay_where_the_network_is(fake, name, precision, monkeypatch):
    config, make = configured(name, precision=precision, batch_size=8, n_validation=0)
    data = rated()
    fake()
    network = on_gpu(make)
    monkeypatch.setattr(training, "hold_out", lambda ratings, *_: (ratings, ratings))
    kept = []  # the way back asks the card's driver, and there is none
    monkeypatch.setattr(torch.Tensor, "backward", lambda loss: kept.append(loss.device))
    trainer = training.PriorTrainer(network, data, config, torch.Generator())
    assert trainer.embeddings.device == trainer.validation_noise[1].device == GPU
    losses = trainer.run_batches(torch.arange(24))
    assert losses.device.type == "cpu"
    assert losses.shape == (3,)
    assert kept == [GPU] * 3


@no_card
@pytest.mark.parametrize("options", [{}, {"sampler": "ddim"}, {"sampling_precision": "bfloat16"}])
@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_of_a_sampler_stay_there(fake, name, options):
    config, make = configured(name, n_inference_steps=3, guidance_stop=0.5, **options)
    diffusion.reverse_steps(config)
    fake()
    network = on_gpu(make)
    noise = [torch.Generator() for _ in range(4)]
    trials = {(4, config.sampling_precision, torch.get_num_threads(), GPU, True, False): 4}
    block = sampling._Block(network, config, torch.zeros(4, dtype=torch.int64), noise, trials)
    drawn = block.sample()
    assert drawn.device == GPU
    assert drawn.shape == (4, SIZE)
    assert block.full == sampling.ROWS_ON_GPU


def test_a_prior_computes_where_the_decoder_is():
    class Pipeline:
        device = GPU

    class Decoder:
        pipeline = Pipeline()

    class Shelf:
        def __init__(self, decoder):
            self.decoder = decoder

        def role(self, name):
            return {"decoder": self.decoder}[name]

    assert decoding.device_of(Shelf(Decoder())) == GPU
    assert decoding.device_of(Shelf(object())) == torch.device("cpu")


def test_compiling_is_for_learning_and_changes_no_number(monkeypatch):
    """Here compiling is counting: validation, and drawing later, go past it."""
    calls = []

    def counting(network, **options):
        assert options == {"mode": "reduce-overhead", "dynamic": False}
        return lambda *inputs: (calls.append(torch.is_grad_enabled()), network(*inputs))[1]

    monkeypatch.setattr(torch, "compile", counting)
    ended = []
    for compile_it in (False, True):
        config, make = configured("rebeca", compile=compile_it, batch_size=8, n_validation=2)
        network = build(make, torch.Generator().manual_seed(0))
        trainer = training.PriorTrainer(network, rated(), config, torch.Generator().manual_seed(1))
        trainer.run_epoch()
        ended.append((trainer.history.validation_loss, network.state_dict()))
    assert calls == [True] * 3  # 24 rows in batches of 8
    assert ended[0][0] == ended[1][0]
    assert all(torch.equal(ended[0][1][k], v) for k, v in ended[1][1].items())


def test_what_was_drawn_is_known_by_its_device():
    """A trial on one device says nothing of another, whose kernels may round by rows."""
    config, make = configured("rebeca", n_inference_steps=2)
    network = build(make, torch.Generator().manual_seed(0)).eval()
    sampling.sample_embeddings(network, config, np.zeros(3, np.int64), np.arange(3))
    assert all(torch.device("cpu") in kind for kind in sampling._TRIALS[network])
