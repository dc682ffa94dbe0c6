"""The losses of the reflection (eq. 11-15), and what a reward is compared with."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Noise = Literal["shared", "rows"]


class Action(NamedTuple):
    """Perturbed prompt states that pictures are drawn from."""

    states: Float[Tensor, "b n rows w"]
    """P + noise, without a gradient: what was done. With one the density below would not depend on
    P at all, and the gradient would be exactly zero."""
    noise: Noise
    sigma: float


def perturb(
    mean: Float[Tensor, "b rows w"], n: int, sigma: float, noise: Noise, rng: torch.Generator
) -> Action:
    """``n`` perturbations of every request's states; the numbers are drawn on the CPU."""
    rows = 1 if noise == "shared" else mean.shape[1]
    drawn = torch.randn(len(mean), n, rows, mean.shape[2], generator=rng).to(mean)
    return Action(mean.detach()[:, None] + sigma * drawn, noise, sigma)


def log_density(action: Action, mean: Float[Tensor, "b rows w"]) -> Float[Tensor, "b n"]:
    """Logarithm of the density of what was done, per dimension and up to a constant (eq. 12).

    ``shared`` noise moves all rows alike: the law is then that of the mean row. Dividing by the
    number of dimensions keeps the gradient's size apart from the shape of the states.
    """
    away = action.states - mean[:, None]
    if action.noise == "shared":
        away = away.mean(dim=2, keepdim=True)
    return -(away.square() / (2 * action.sigma**2)).flatten(2).mean(dim=2)


def rank_loss(
    action: Action, mean: Float[Tensor, "b rows w"], advantage: Float[Tensor, "b n"]
) -> Tensor:
    """Minus the mean of advantage times log-density: its gradient ascends the expected reward."""
    return -(advantage.detach() * log_density(action, mean)).mean()


def advantage(
    reward: Float[Tensor, "b n"],
    best: Float[Tensor, " b"] | None,
    margin: float,
) -> Float[Tensor, "b n"]:
    """What is good about each picture.

    ``best``: reward of the better of the reference and the keywords' picture, which a picture is to
    exceed by ``margin`` (eq. 11). None: each is compared with the mean of the request's others.
    """
    if best is not None:
        return reward - best[:, None] - margin
    n = reward.shape[1]
    others = (reward.sum(dim=1, keepdim=True) - reward) / (n - 1)
    return reward - others


def calibrator_loss(
    states: Float[Tensor, "b rows w"],
    projection: Float[Tensor, "w1 d"],
    preference: Float[Tensor, "b d"],
) -> Tensor:
    """Mean squared distance of the projected mean row to the visual preference (eq. 13).

    The paper takes the distance of two spaces; ``projection`` ``(w + 1, d)``, with the intercept
    last, leads from one to the other (ours, see `fit_projection`).
    """
    mean = states.mean(dim=1)
    seen = mean @ projection[:-1] + projection[-1]
    return (seen - preference).square().mean()


def semantic_loss(rows: Float[Tensor, "b q w"], target: Float[Tensor, "b q w"]) -> Tensor:
    """Mean over rows of the distance, not squared (eq. 14, GILL)."""
    return (rows - target).square().sum(dim=2).clamp(min=1e-12).sqrt().mean()


def fit_projection(
    means: Float[Tensor, "n w"], features: Float[Tensor, "n d"], ridge: float = 1e-2
) -> Float[Tensor, "w1 d"]:
    """The linear map, intercept last, from captions' mean states to their pictures' features.

    Ridge regression on the training catalogue; ``ridge`` is in shares of the mean variance.
    """
    centre, middle = means.mean(dim=0), features.mean(dim=0)
    x, y = (means - centre).double(), (features - middle).double()
    gram = x.T @ x
    scale = ridge * float(gram.diagonal().mean()) + 1e-9
    weights = torch.linalg.solve(gram + scale * torch.eye(len(gram), dtype=x.dtype), x.T @ y)
    intercept = middle.double() - centre.double() @ weights
    return torch.cat([weights, intercept[None]]).float()
