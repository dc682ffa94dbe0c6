"""Drawing embeddings from a prior, each from its own seed alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from persongen_bench.methods.prior.config import PriorConfig, RequestedRating
from persongen_bench.methods.prior.diffusion import reverse_process, to_clean
from persongen_bench.methods.prior.layers import NULL_RATING, PriorNetwork
from persongen_bench.util.batching import map_rows

ROWS = 32
"""Samples per network call (both guidance branches go through it together, as 64 rows)."""
_STREAM = 0x5EBECA
"""Keeps the prior's noise apart from what the decoder draws from the same seed."""
RATINGS: Mapping[RequestedRating, int] = {"dislike": 0, "like": 1}
"""Rows of the rating table."""


def guided(
    network: PriorNetwork, config: PriorConfig, x: Tensor, time: Tensor, user: Tensor
) -> Tensor:
    """Classifier-free guidance (eq. 4): ``u + s (c - u)`` on the prediction.

    ``x (b, E)``, ``time (b,)``, ``user (b,)`` => ``(b, E)``. The condition is the user and the
    configured rating; the unconditional branch has both null.
    """
    null = torch.full_like(user, network.null_user)
    rating = torch.full_like(user, RATINGS[config.rating])
    no_rating = torch.full_like(user, NULL_RATING)
    both = network(
        torch.cat([x, x]),
        torch.cat([time, time]),
        torch.cat([user, null]),
        torch.cat([rating, no_rating]),
    )
    conditional, unconditional = both.chunk(2)
    return torch.lerp(unconditional, conditional, config.guidance_scale)


def conditional(
    network: PriorNetwork, config: PriorConfig, x: Tensor, time: Tensor, user: Tensor
) -> Tensor:
    """The prediction for the user and the rating, without guidance; shapes as for `guided`."""
    predicted: Tensor = network(x, time, user, torch.full_like(user, RATINGS[config.rating]))
    return predicted


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
            predicted = conditional(network, config, x, time, user)
        clean = to_clean(predicted, x, scheduler.alphas_cumprod[t], config)
        x = scheduler.step(clean, t, x, **step_options).prev_sample
    return x.numpy()


def _generator(seed: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, _STREAM]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))
