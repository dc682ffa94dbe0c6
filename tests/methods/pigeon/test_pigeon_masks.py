"""Top-k with a straight-through gradient, and the two phases of the reference's mask."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from persongen_bench.methods.pigeon.masks import (
    gumbel,
    history_logits,
    keep_count,
    keep_mask,
    reference_logits,
)

SCORES = torch.tensor([0.9, -0.3, 0.5, 0.1, -0.8, 0.7])  # no two are equal


def hidden(mask):
    return {k for k, value in enumerate(mask.tolist()) if value < 0.5}


@pytest.mark.parametrize(
    ("n", "ratio", "kept"),
    [
        # max(1, int(n (1 - ratio))) in exact arithmetic
        (10, 0.0, 10), (10, 0.2, 8), (10, 0.7, 3), (10, 0.8, 2), (10, 0.9, 1), (45, 0.2, 36),
        (9, 0.5, 4),
        (10, 1.0, 1), (2, 1.0, 1), (1, 0.0, 1), (1, 0.5, 1), (1, 1.0, 1),  # one always stays
        (0, 0.2, 0), (0, 1.0, 0),  # of none, none
    ],
)  # fmt: skip
def test_how_many_stay(n, ratio, kept):
    assert keep_count(n, ratio) == kept


def test_the_largest_stay():
    assert hidden(keep_mask(SCORES, 4)) == {1, 4}  # -.3 and -.8 are the lowest
    assert keep_mask(SCORES, 6).tolist() == [1.0] * 6
    assert set(keep_mask(SCORES, 3).tolist()) == {0.0, 1.0}


def test_the_gradient_is_that_of_the_softmax():
    """The hard value drops out of the derivative: autograd of softmax is the oracle."""
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0, 1.5])
    ours, soft = SCORES.clone().requires_grad_(), SCORES.clone().requires_grad_()
    (keep_mask(ours, 3) * weights).sum().backward()
    (F.softmax(soft, dim=0) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, soft.grad)
    assert ours.grad.abs().max() > 0.01


def test_noise_decides_where_scores_do_not():
    even = torch.zeros(4)
    assert hidden(keep_mask(even, 2, torch.tensor([0.0, 3.0, 1.0, 2.0]))) == {0, 2}
    assert hidden(keep_mask(even, 2)) == {2, 3}  # of equals the first stay


def test_noise_is_gumbel_and_belongs_to_its_seed():
    noise = gumbel(100_000, 3)
    # mean: Euler's constant, variance: pi^2 / 6; 5 standard errors of 100,000 draws
    assert abs(float(noise.mean()) - 0.5772) < 5 * 1.2825 / math.sqrt(100_000)
    assert abs(float(noise.var()) - math.pi**2 / 6) < 0.05
    assert torch.equal(gumbel(5, 8), gumbel(5, 8))
    assert not torch.equal(gumbel(5, 8), gumbel(5, 9))


def test_inference_hides_what_the_fit_kept():
    """Six tokens, half of them hidden: {0, 2, 5} score highest, so they are gone in the fit, and
    the other three, which the fit kept, are gone at inference."""
    fit = keep_mask(reference_logits(SCORES, "dual", "fit", "differentiable"), 3)
    inference = keep_mask(reference_logits(SCORES, "dual", "inference", "differentiable"), 3)
    assert hidden(fit) == {0, 2, 5}
    assert hidden(inference) == {1, 3, 4}
    assert torch.equal(fit + inference, torch.ones(6))


@pytest.mark.parametrize("kind", ["differentiable", "released"])
@pytest.mark.parametrize(
    ("scheme", "fit", "inference"),
    [("dual", {0, 5}, {1, 4}), ("high", {0, 5}, {0, 5}), ("low", {1, 4}, {1, 4})],
)
def test_schemes(kind, scheme, fit, inference):
    """Two of six: 0 and 5 score highest, 1 and 4 lowest."""
    assert hidden(keep_mask(reference_logits(SCORES, scheme, "fit", kind), 4)) == fit
    assert hidden(keep_mask(reference_logits(SCORES, scheme, "inference", kind), 4)) == inference


def test_the_history_loses_its_lowest_scores():
    assert hidden(keep_mask(history_logits(SCORES), 5)) == {4}


def test_released_logits_of_high_scores_are_flat():
    """methods.md 1.3 measured a spread of about .001 for cosines of 90 tokens in a narrow band."""
    scores = torch.linspace(-0.05, 0.05, 90)
    logits = reference_logits(scores, "dual", "fit", "released")
    assert float(logits.max() - logits.min()) < 0.002
    ours = reference_logits(scores, "dual", "fit", "differentiable")
    assert float(ours.max() - ours.min()) == pytest.approx(0.1)
