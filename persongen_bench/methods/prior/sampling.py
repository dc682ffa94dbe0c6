"""Drawing embeddings from a prior, each from its own seed alone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from jaxtyping import Float, Int64
from torch import Tensor

from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import NULL_RATING, PriorNetwork
from persongen_bench.util.batching import map_rows

ROWS = 32
"""Samples per network call (both guidance branches go through it together, as 64 rows)."""
_STREAM = 0x5EBECA
"""Keeps the prior's noise apart from what the decoder draws from the same seed."""


def noise_schedule(config: PriorConfig) -> Any:  # noqa: ANN401  # diffusers is untyped
    """The forward process and its ancestral reverse."""
    return DDPMScheduler(**_common(config), clip_sample=False)


def reverse_process(config: PriorConfig) -> Any:  # noqa: ANN401  # diffusers is untyped
    """The configured sampler, timesteps set; DPM keeps state, so take a new one per call."""
    if config.sampler == "ddpm":
        scheduler = noise_schedule(config)
    elif config.sampler == "ddim":
        scheduler = DDIMScheduler(**_common(config), clip_sample=False)
    else:
        scheduler = DPMSolverMultistepScheduler(**_common(config))
    with warnings.catch_warnings():  # the DPM scheduler calls np.array on a tensor
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        scheduler.set_timesteps(config.n_inference_steps)
    return scheduler


def guided(
    network: PriorNetwork, config: PriorConfig, x: Tensor, time: Tensor, user: Tensor
) -> Tensor:
    """Classifier-free guidance (eq. 4): ``u + s (c - u)`` on the prediction.

    ``x (b, E)``, ``time (b,)``, ``user (b,)`` => ``(b, E)``. The condition is the user and a like;
    the unconditional branch has both null.
    """
    null = torch.full_like(user, network.null_user)
    like, no_rating = torch.ones_like(user), torch.full_like(user, NULL_RATING)
    both = network(
        torch.cat([x, x]),
        torch.cat([time, time]),
        torch.cat([user, null]),
        torch.cat([like, no_rating]),
    )
    conditional, unconditional = both.chunk(2)
    return torch.lerp(unconditional, conditional, config.guidance_scale)


def conditional(network: PriorNetwork, x: Tensor, time: Tensor, user: Tensor) -> Tensor:
    """The prediction for the user and a like, without guidance; shapes as for `guided`."""
    predicted: Tensor = network(x, time, user, torch.ones_like(user))
    return predicted


def to_clean(prediction: Tensor, x: Tensor, alpha: Tensor, config: PriorConfig) -> Tensor:
    """The clean embedding that a prediction at cumulative ``alpha`` stands for, clipped if asked.

    Guiding the noise and guiding the clean embedding are the same, for one is linear in the other.
    """
    if config.prediction == "epsilon":
        prediction = (x - (1 - alpha).sqrt() * prediction) / alpha.sqrt()
    if config.clip_range is None:
        return prediction
    return prediction.clamp(-config.clip_range, config.clip_range)


@torch.no_grad()
def sample_embeddings(
    network: PriorNetwork,
    config: PriorConfig,
    users: Int64[np.ndarray, " n"],
    seeds: Int64[np.ndarray, " n"],
) -> Float[np.ndarray, "n E"]:
    """One embedding per row; row i depends on ``users[i]`` and ``seeds[i]`` alone, to the bit."""
    rows = np.stack([users, seeds], axis=1).astype(np.int64)
    return map_rows(lambda block: _sample_block(network, config, block), rows, ROWS)


def _sample_block(
    network: PriorNetwork, config: PriorConfig, block: Int64[np.ndarray, "b 2"]
) -> Float[np.ndarray, "b E"]:
    user = torch.from_numpy(block[:, 0].copy())
    noise = [_generator(int(seed)) for seed in block[:, 1]]
    scheduler = reverse_process(config)
    step_options = {"generator": noise} if config.sampler == "ddpm" else {}
    x = torch.cat([torch.randn(1, network.embedding_size, generator=g) for g in noise])
    n_guided = round(config.guidance_stop * len(scheduler.timesteps))
    for k, t in enumerate(scheduler.timesteps):
        time = t.expand(len(x))
        if k < n_guided:
            predicted = guided(network, config, x, time, user)
        else:
            predicted = conditional(network, x, time, user)
        clean = to_clean(predicted, x, scheduler.alphas_cumprod[t], config)
        x = scheduler.step(clean, t, x, **step_options).prev_sample
    return x.numpy()


def _generator(seed: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, _STREAM]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


def _common(config: PriorConfig) -> dict[str, Any]:
    return {
        "num_train_timesteps": config.n_timesteps,
        "beta_schedule": config.beta_schedule,
        "prediction_type": "sample",
        "timestep_spacing": "trailing",
    }
