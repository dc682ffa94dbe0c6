"""The losses of RAGAR's reflection: policy gradient, comparison, distances, projection."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from persongen_bench.methods.ragar.losses import (
    Action,
    advantage,
    calibrator_loss,
    fit_projection,
    log_density,
    perturb,
    rank_loss,
    semantic_loss,
)

ROWS, WIDTH, SIGMA = 2, 3, 0.4


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


TARGET = normal(ROWS, WIDTH, seed=2)


def reward_of(states):
    """A toy reward of prompt states ``(..., rows, w)``: near the target is good."""
    return -(states - TARGET).square().sum(dim=(-1, -2))


def expected_reward(mean):
    """E[R] in closed form: E|P + e - T|^2 = |P - T|^2 + E|e|^2, the last whatever P is."""
    return float(reward_of(mean))


def finite_differences(mean, step=1e-5):
    gradient = torch.zeros_like(mean)
    for place in np.ndindex(*mean.shape):
        moved = [mean.clone(), mean.clone()]
        for sign, values in zip((1, -1), moved, strict=True):
            values[place] += sign * step
        up, down = (expected_reward(values) for values in moved)
        gradient[place] = (up - down) / (2 * step)
    return gradient


@pytest.mark.parametrize("baseline", ["leave-one-out", "best"])
def test_the_policy_gradient_is_that_of_the_expected_reward(baseline):
    """240,000 draws: the standard error of an entry is about .02 of a gradient of length 4."""
    mean = normal(ROWS, WIDTH).requires_grad_(True)
    many = mean.expand(80_000, -1, -1)
    action = perturb(many, 3, SIGMA, "rows", generator(3))
    best = torch.full((80_000,), float(reward_of(mean.detach())), dtype=torch.float64)
    gained = advantage(reward_of(action.states), None if baseline != "best" else best, 0.1)
    (gradient,) = torch.autograd.grad(rank_loss(action, many, gained), mean)
    expected = finite_differences(mean.detach())
    # The loss is minus the reward, and divided by the number of dimensions.
    assert (-gradient * ROWS * WIDTH - expected).abs().max() < 0.05 * expected.norm()


def test_shared_noise_gives_the_gradient_along_a_shift_of_all_rows():
    mean = normal(ROWS, WIDTH).requires_grad_(True)
    many = mean.expand(80_000, -1, -1)
    action = perturb(many, 3, SIGMA, "shared", generator(3))
    gained = advantage(reward_of(action.states), None, 0)
    (gradient,) = torch.autograd.grad(rank_loss(action, many, gained), mean)
    torch.testing.assert_close(gradient[0], gradient[1])  # every row alike
    expected = finite_differences(mean.detach()).sum(dim=0)
    found = -(gradient * WIDTH).sum(dim=0)
    assert (found - expected).abs().max() < 0.05 * expected.norm()


@pytest.mark.parametrize("noise", ["shared", "rows"])
def test_a_sample_that_is_not_detached_has_no_gradient_at_all(noise):
    """log N(P + e; P) does not depend on P: the trap of the paper's equation 12."""
    mean = normal(4, ROWS, WIDTH).requires_grad_(True)
    gained = normal(4, 3, seed=5)
    action = perturb(mean, 3, SIGMA, noise, generator(4))
    assert not action.states.requires_grad
    (right,) = torch.autograd.grad(rank_loss(action, mean, gained), mean)
    assert right.abs().min() > 0
    wrong = Action(mean[:, None] + (action.states - mean.detach()[:, None]), noise, SIGMA)
    (nothing,) = torch.autograd.grad(rank_loss(wrong, mean, gained), mean)
    assert nothing.abs().max() < 1e-12


@pytest.mark.parametrize("noise", ["shared", "rows"])
def test_the_density_is_that_of_the_library(noise):
    mean = normal(4, ROWS, WIDTH)
    action = perturb(mean, 3, SIGMA, noise, generator(4))
    seen, middle = action.states, mean[:, None].expand(-1, 3, -1, -1)
    if noise == "shared":
        seen, middle = seen.mean(dim=2), middle.mean(dim=2)
    law = torch.distributions.Normal(middle, SIGMA)
    constant = torch.distributions.Normal(0.0, SIGMA).log_prob(torch.zeros(())).double()
    expected = law.log_prob(seen).flatten(2).mean(dim=2) - constant
    torch.testing.assert_close(log_density(action, mean), expected, atol=1e-6, rtol=1e-6)


def test_shared_noise_moves_all_rows_alike_and_rows_noise_each():
    mean = torch.zeros(1, 50, 40)
    shared = perturb(mean, 2, SIGMA, "shared", generator()).states
    assert (shared - shared[:, :, :1]).abs().max() == 0
    rows = perturb(mean, 2, SIGMA, "rows", generator()).states
    assert float(rows.std()) == pytest.approx(SIGMA, rel=0.05)  # 4,000 draws: 2 se is .018
    assert float((rows - rows[:, :, :1]).std()) > SIGMA


def test_the_advantage_by_hand():
    reward = torch.tensor([[1.0, 2.0, 6.0]])
    # Leave-one-out: 1 - 4, 2 - 3.5, 6 - 1.5.
    expected = torch.tensor([[-3.0, -1.5, 4.5]])
    torch.testing.assert_close(advantage(reward, None, 0.0), expected)
    torch.testing.assert_close(advantage(reward, None, 5.0), expected)  # the margin drops out
    best = torch.tensor([1.5])
    torch.testing.assert_close(advantage(reward, best, 0.5), torch.tensor([[-1.0, 0.0, 4.0]]))


def test_the_semantic_loss_is_a_mean_of_lengths():
    rows = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])
    assert float(semantic_loss(rows, torch.zeros(1, 2, 2))) == pytest.approx(2.5)  # (5 + 0) / 2


def test_the_calibrator_loss_projects_the_mean_row():
    states = torch.tensor([[[1.0, 3.0], [3.0, 5.0]]])  # mean (2, 4)
    projection = torch.tensor([[1.0], [0.5], [1.0]])  # 2 + 2 + 1 = 5
    loss = calibrator_loss(states, projection, torch.tensor([[2.0]]))
    assert float(loss) == pytest.approx(9.0)


def test_the_projection_is_least_squares():
    """Against numpy's solver where there is next to no ridge; features are linear plus noise."""
    x, noise = normal(200, 4, seed=7), normal(200, 3, seed=8)
    y = x @ normal(4, 3, seed=9) + 2 + 0.1 * noise
    found = fit_projection(x, y, ridge=1e-9)
    table = np.concatenate([x.numpy(), np.ones((200, 1))], axis=1)
    expected = np.linalg.lstsq(table, y.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
