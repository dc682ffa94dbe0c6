"""How well a prior denoises, in a number that configurations can be compared by."""

from __future__ import annotations

import torch
from torch import Tensor

from persongen_bench.methods.prior.conditions import without_user
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.diffusion import clean_of, noise_schedule
from persongen_bench.methods.prior.layers import PriorNetwork
from persongen_bench.methods.prior.ratings import TrainingData

SHARES = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""Noise levels: which share of a noisy embedding's variance is signal."""
ROWS = 4096
"""Rows per network call."""


@torch.no_grad()
def clean_error(network: PriorNetwork, config: PriorConfig, held: TrainingData) -> float | None:
    """Mean squared error of the clean embedding on ``held``, as a share of its variance.

    0: perfect; 1: as the mean of the embeddings. Losses of training are in the units of what the
    network predicts, under the noise of its schedule, and of normalised embeddings or not; here
    all predict the clean embedding, from the same noise at the same `SHARES` of signal, or the
    nearest that the schedule has (``laplace`` ends at 5% where the variance is 1.6, at more where
    it is larger). None where there are no ratings, or no variance.
    """
    item, n = held.ratings.item, len(held.ratings)
    spread = float(held.embeddings[item].var(dim=0, unbiased=False).mean()) if n else 0.0
    if spread == 0:
        return None
    schedule, generator = noise_schedule(config), torch.Generator().manual_seed(0)
    level = _steps(schedule.alphas_cumprod, spread)[torch.arange(n) % len(SHARES)]
    batch = without_user(held.ratings, network.null_user, config)
    total = 0.0
    for rows in torch.split(torch.arange(n), ROWS):
        clean, time = held.embeddings[item[rows]], level[rows]
        noisy = schedule.add_noise(clean, torch.randn(clean.shape, generator=generator), time)
        asked = (noisy, time, batch.user[rows], batch.rating[rows])
        predicted = network(*(part.to(network.device) for part in asked)).cpu()
        alpha = schedule.alphas_cumprod[time][:, None]
        found = clean_of(predicted, noisy, alpha, config.prediction)
        total += float((found - clean).square().mean()) * len(rows)
    return total / n / spread


def _steps(alphas: Tensor, spread: float) -> Tensor:
    """Steps at which the signal's share is nearest to each of `SHARES`, ``(10,)``."""
    share = alphas * spread / (alphas * spread + 1 - alphas)
    return (share[:, None] - torch.tensor(SHARES)).abs().argmin(dim=0)
