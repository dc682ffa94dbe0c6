"""Tokens for users who were not in training, from the few ratings they bring; no weight moves.

``mixture``: every rating is taken as made by one of the known users, or by the population, whose
token is the null user's. How each of them rates is a ridge regression of their likes on the
embeddings; who made which rating is inferred with a prior that favours few people (a topic model's
question, answered by CVB0: Asuncion et al., On Smoothing and Inference for Topic Models, 2009,
section 3). The token is the mean of theirs, weighted by the expected shares of the ratings. With
few ratings that is close to the Bayes posterior over the known users; with many it can blend
people whom nobody resembles alone.

``fitted``: from there, gradient steps on the prior's own loss for those ratings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.diffusion import noise_schedule, target
from persongen_bench.methods.prior.layers import PriorNetwork
from persongen_bench.methods.prior.raters import RatingModels
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData

PEOPLE, POPULATION = 1.0, 1.0
"""Prior counts, in ratings, of the known users together and of the population."""
N_ROUNDS = 30
"""Rounds of CVB0; the shares move by less than 0.001 after 20."""
TOKEN_ROWS = 16
"""Rows per newcomer and gradient step of a fitted token."""
TOKEN_RATE = 0.05
"""Adam step of a fitted token, in deviations of the known tokens."""
PULL = 1.0
"""Squared deviations from the start that weigh as much as a squared error of the embedding."""


def infer_tokens(
    network: PriorNetwork,
    config: PriorConfig,
    known: TrainingData,
    support: TrainingData,
    generator: torch.Generator,
) -> Tensor:
    """Tokens ``(m, width)`` of the m users of ``support``, who bring at least one rating each.

    ``known``: what the network was trained on, its users numbered as in the user table.
    """
    shares = mixture_shares(known, support)
    trained = network.user.weight.detach()[: network.null_user + 1]
    tokens = shares.float() @ trained
    if config.unseen_user == "fitted":
        tokens = _Fitting(network, config, support, tokens).run(generator)
    return tokens


def mixture_shares(known: TrainingData, support: TrainingData) -> Tensor:
    """float64 ``(m, n known + 1)``: shares of the known users and, last, of the population."""
    likes = RatingModels.fit(known).likes(support.embeddings)
    liked = support.ratings.rating.bool()
    chance = likes[support.ratings.item]
    chance = torch.where(liked[:, None], chance, 1 - chance)
    n_known = chance.shape[1] - 1
    prior = torch.full((n_known + 1,), PEOPLE / n_known, dtype=chance.dtype)
    prior[-1] = POPULATION
    rows = support.ratings.user
    return torch.stack(
        [expected_shares(chance[rows == user], prior) for user in range(int(rows.max()) + 1)]
    )


def expected_shares(chance: Tensor, prior: Tensor) -> Tensor:
    """CVB0: who made the ratings, if few people made them.

    Args:
        chance: ``(k, p)`` probability of each rating if person j had made it.
        prior: ``(p,)`` prior counts.

    Returns:
        ``(p,)`` expected shares, prior counts included; they add up to 1.
    """
    makers = F.normalize(prior * chance, p=1, dim=1)
    for _ in range(N_ROUNDS):
        makers = F.normalize((prior + makers.sum(dim=0) - makers) * chance, p=1, dim=1)
    return F.normalize(prior + makers.sum(dim=0), p=1, dim=0)


class _Fitting:
    """Tokens as the only free parameters of the training loss."""

    def __init__(
        self, network: PriorNetwork, config: PriorConfig, support: TrainingData, start: Tensor
    ) -> None:
        self.network, self.config, self.support, self.start = network, config, support, start
        self.schedule = noise_schedule(config)
        self.deviation = network.user.weight.detach()[: network.null_user].std(unbiased=False)
        self.counts = torch.bincount(support.ratings.user, minlength=len(start))
        order = torch.argsort(support.ratings.user, stable=True)
        self.ratings = support.ratings.take(order)

    def run(self, generator: torch.Generator) -> Tensor:
        """The tokens after the configured number of steps; the network is left as it was."""
        needed = [parameter.requires_grad for parameter in self.network.parameters()]
        self.network.requires_grad_(False)
        offset = torch.zeros_like(self.start).requires_grad_()
        optimizer = torch.optim.Adam([offset], lr=TOKEN_RATE)
        for _ in range(self.config.n_token_steps):
            optimizer.zero_grad()
            self._objective(offset, generator).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for parameter, before in zip(self.network.parameters(), needed, strict=True):
            parameter.requires_grad_(before)
        return self.start + self.deviation * offset.detach()

    def _objective(self, offset: Tensor, generator: torch.Generator) -> Tensor:
        """Each user's mean loss over their ratings, and a pull to the start that k ratings fade."""
        batch = self._draw(generator)
        tokens = self.start + self.deviation * offset
        clean = self.support.embeddings[batch.item]
        time = torch.randint(self.config.n_timesteps, (len(batch),), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        noisy = self.schedule.add_noise(clean, noise, time)
        conditions = (noisy, time, batch.user, batch.rating)
        predicted = functional_call(self.network, {"user.weight": tokens}, conditions)
        aim = target(self.schedule, self.config.prediction, clean, noise, time)
        loss = F.mse_loss(predicted, aim, reduction="none").mean(dim=1)
        pull = PULL / self.counts * offset.square().sum(dim=1) / clean.shape[1]
        return loss.sum() / TOKEN_ROWS + pull.sum()

    def _draw(self, generator: torch.Generator) -> RatingTensors:
        """`TOKEN_ROWS` of every user's ratings, with replacement."""
        starts = self.counts.cumsum(0) - self.counts
        draws = torch.rand(len(self.counts), TOKEN_ROWS, generator=generator)
        rows = starts[:, None] + (draws * self.counts[:, None]).long()
        return self.ratings.take(rows.flatten())
