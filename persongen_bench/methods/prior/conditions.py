"""Which conditions a row shows to the network: dropped for guidance, or off by the options."""

from __future__ import annotations

import torch

from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import NULL_RATING
from persongen_bench.methods.prior.ratings import RatingTensors


def drop_conditions(
    batch: RatingTensors, null_user: int, config: PriorConfig, generator: torch.Generator
) -> RatingTensors:
    """Replace users and ratings by their null tokens at the configured rates."""
    draws = torch.rand(len(batch), 2, generator=generator)
    if config.dropout == "standard":
        draws = draws[:, :1].expand(-1, 2)
    user = batch.user.masked_fill(draws[:, 0] < config.user_dropout, null_user)
    rating = batch.rating.masked_fill(draws[:, 1] < config.rating_dropout, NULL_RATING)
    return without_user(RatingTensors(batch.item, user, rating), null_user, config)


def without_user(batch: RatingTensors, null_user: int, config: PriorConfig) -> RatingTensors:
    """``batch`` with every user null where the options switch users off."""
    if config.use_user:
        return batch
    return RatingTensors(batch.item, torch.full_like(batch.user, null_user), batch.rating)
