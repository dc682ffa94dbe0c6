"""The objective against the formula, on pairs made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from persongen_bench.methods.diffusion_dpo.loss import PairErrors, errors_of, preference_loss


def numbers(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Two pairs. Gaps of the first: winner .012 - .010 = .002, loser .015 - .012 = .003; of the second:
# winner .020 - .023 = -.003, loser .011 - .010 = .001.
PAIRS = PairErrors(
    winner=numbers([0.012, 0.020]),
    loser=numbers([0.015, 0.011]),
    winner_reference=numbers([0.010, 0.023]),
    loser_reference=numbers([0.012, 0.010]),
)
# At beta 5000: -2500 * (.002 - .003) = 2.5 and -2500 * (-.003 - .001) = 10.
MARGINS = [2.5, 10.0]


def by_hand(margin: float) -> float:
    return -math.log(1 / (1 + math.exp(-margin)))


def test_the_formula_on_two_pairs():
    assert PAIRS.margins(5000.0).tolist() == pytest.approx(MARGINS, rel=1e-9)
    losses = preference_loss(PAIRS, 5000.0).tolist()
    assert losses == pytest.approx([by_hand(m) for m in MARGINS], rel=1e-9)


def test_the_half_that_a_script_leaves_out_doubles_beta():
    # diffusers' research script: -logsigmoid(beta * (reference - model)), no half.
    gaps = (PAIRS.loser_gap - PAIRS.winner_gap).tolist()
    script = [by_hand(2500 * gap) for gap in gaps]
    assert preference_loss(PAIRS, 5000.0).tolist() == pytest.approx(script, rel=1e-9)
    assert preference_loss(PAIRS, 2500.0).tolist() != pytest.approx(script, rel=0.1)


def test_the_mean_comes_after_the_log_sigmoid():
    mixed = PairErrors(
        PAIRS.winner, PAIRS.loser, PAIRS.winner_reference,
        numbers([0.012, 0.018]),  # second pair: loser gap -.007, margin -10
    )  # fmt: skip
    after = preference_loss(mixed, 5000.0).mean().item()
    assert after == pytest.approx((by_hand(2.5) + by_hand(-10.0)) / 2, rel=1e-9)
    # Before: one number for both, and the wrong pair is half paid by the right one.
    before = by_hand((2.5 - 10.0) / 2)
    assert before < 0.8 * after


def test_it_is_ln_2_where_policy_and_reference_are_one():
    same = PairErrors(PAIRS.winner, PAIRS.loser, PAIRS.winner, PAIRS.loser)
    assert preference_loss(same, 5000.0).tolist() == pytest.approx([math.log(2)] * 2, rel=1e-12)


def test_exchanging_winner_and_loser_turns_the_margin():
    turned = PairErrors(PAIRS.loser, PAIRS.winner, PAIRS.loser_reference, PAIRS.winner_reference)
    assert turned.margins(7.0).tolist() == pytest.approx([-m for m in PAIRS.margins(7.0).tolist()])


def test_with_a_larger_beta_a_pair_is_settled_nearer_to_the_reference():
    # The same departure: less is left to gain where beta is larger.
    left = [preference_loss(PAIRS, beta)[0].item() for beta in (100.0, 1000.0, 10_000.0)]
    assert left == sorted(left, reverse=True)


def test_every_picture_has_its_own_error():
    predicted, target = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    errors = errors_of(predicted, target)
    assert errors.shape == (3,)
    for own, a, b in zip(errors, predicted, target, strict=True):
        assert own.item() == pytest.approx(((a - b) ** 2).mean().item(), rel=1e-6)
