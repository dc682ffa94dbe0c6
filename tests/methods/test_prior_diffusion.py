"""What the priors predict, and the noise schedules: one is the other's inverse, all share one."""

import numpy as np
import pytest
import torch

from persongen_bench.methods.prior import diffusion
from persongen_bench.methods.prior.config import PriorConfig

SCHEDULES = ("squaredcos_cap_v2", "linear", "scaled_linear", "laplace")
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


@every_schedule
@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm"])
def test_all_samplers_share_one_noise_schedule(sampler, schedule):
    config = PriorConfig(beta_schedule=schedule, sampler=sampler, n_inference_steps=20)
    forward, reverse = diffusion.noise_schedule(config), diffusion.reverse_process(config)
    assert torch.equal(reverse.alphas_cumprod, forward.alphas_cumprod)
    assert len(reverse.alphas_cumprod) == 1000


def test_laplace_is_the_published_schedule():
    # Hang et al. 2024: log SNR = mu - b sgn(.5 - t) log(1 - 2 |t - .5|); diffusers has mu = 0,
    # b = .5, 1e-6 inside the logarithm, and the root of SNR / (1 + SNR) as the cumulative alpha.
    t = np.arange(1001) / 1000
    log_snr = -0.5 * np.sign(0.5 - t) * np.log(1 - 2 * np.abs(0.5 - t) + 1e-6)
    f = np.sqrt(1 / (1 + np.exp(-log_snr)))
    found = diffusion.noise_schedule(PriorConfig(beta_schedule="laplace")).alphas_cumprod
    np.testing.assert_allclose(found.numpy(), f[1:] / f[0], rtol=1e-4)
    assert found[-1] == pytest.approx(0.0316, abs=1e-4)  # the 3% that the option's text states


@every_schedule
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_the_clean_embedding_comes_back_at_every_step(prediction, schedule):
    forward = diffusion.noise_schedule(PriorConfig(beta_schedule=schedule))
    g, time = torch.Generator().manual_seed(0), torch.arange(1000)
    clean, noise = (torch.randn(1000, 4, generator=g, dtype=torch.float64) for _ in range(2))
    forward.alphas_cumprod = forward.alphas_cumprod.double()
    x = forward.add_noise(clean, noise, time)
    aim = diffusion.target(forward, prediction, clean, noise, time)
    alpha = forward.alphas_cumprod[:, None]
    back = diffusion.clean_of(aim, x, alpha, prediction)
    # The noise is divided by the signal's root, which is as small as 5e-5 under squaredcos_cap_v2.
    assert (back - clean).abs().max() < (1e-9 if prediction == "epsilon" else 1e-14)


def test_v_is_the_noise_at_the_start_and_minus_the_embedding_at_the_end():
    forward = diffusion.noise_schedule(PriorConfig())
    g, time = torch.Generator().manual_seed(0), torch.tensor([0, 999])
    clean, noise = torch.randn(2, 4, generator=g), torch.randn(2, 4, generator=g)
    v = diffusion.target(forward, "v_prediction", clean, noise, time)
    # Cumulative alphas .99996 and 2e-9: roots of what is left are .0064 and 5e-5.
    torch.testing.assert_close(v[0], noise[0], atol=0.02, rtol=0)
    torch.testing.assert_close(v[1], -clean[1], atol=1e-3, rtol=0)
