"""The loop that trains the shipped models: seeded, resumable, logged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from persongen_bench.core.errors import RunError
from persongen_bench.util.training import TrainingPlan, Workshop, rate, seeded, step_of, train

PLAN = TrainingPlan(steps=120, batch_size=8, learning_rate=0.05, ema=0.9, seed=3)


class KilledError(Exception):
    """Stands in for a kill."""


def fit(folder=None, plan=PLAN, stop_at=None):
    model = seeded(lambda: nn.Linear(3, 1), plan.seed)
    target = torch.tensor([1.0, -2.0, 0.5])

    def loss(step):
        if step.number == stop_at:
            raise KilledError
        x = torch.randn(plan.batch_size, 3, generator=step.noise)
        y = x @ target + torch.from_numpy(step.rng.normal(0, 0.01, plan.batch_size)).float()
        error = (model(x)[:, 0] - y).square().mean()
        return {"loss": error, "twice": 2 * error}

    workshop = Workshop(folder, every_seconds=0)
    return train(model, loss, plan, workshop, "fit"), workshop.log


def test_learns_and_logs_every_loss():
    model, log = fit()
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert [entry["step"] for entry in log] == [50, 100, 120]
    assert log[-1]["loss"] < 0.1 * log[0]["loss"]
    assert log[0]["twice"] == pytest.approx(2 * log[0]["loss"], rel=1e-4)
    torch.testing.assert_close(model.weight, torch.tensor([[1.0, -2.0, 0.5]]), atol=0.1, rtol=0)


@pytest.mark.parametrize("stop_at", [60, 110])
def test_a_killed_training_continues_to_the_same_bytes(tmp_path, stop_at):
    whole, log = fit()
    with pytest.raises(KilledError):
        fit(tmp_path, stop_at=stop_at)
    resumed, resumed_log = fit(tmp_path)
    assert torch.equal(whole.weight, resumed.weight)
    assert torch.equal(whole.bias, resumed.bias)
    assert log == resumed_log


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    with pytest.raises(KilledError):
        fit(tmp_path, stop_at=60)
    with pytest.raises(RunError, match="other settings"):
        fit(tmp_path, PLAN.model_copy(update={"learning_rate": 0.01}))


def test_the_global_generator_is_neither_used_nor_moved():
    before = torch.random.get_rng_state()
    first, _ = fit()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(5)
    second, _ = fit()
    assert torch.equal(first.weight, second.weight)


def test_steps_have_generators_of_their_own():
    one, again, other = step_of(PLAN, 4), step_of(PLAN, 4), step_of(PLAN, 5)
    assert one.rng.random() == again.rng.random() != other.rng.random()
    draws = [torch.rand(1, generator=s.noise).item() for s in (one, again, other)]
    assert draws[0] == draws[1] != draws[2]


def test_rate_rises_then_falls_to_a_hundredth():
    values = [rate(k / 1000, 0.03) for k in range(1000)]
    assert values[0] < 0.01
    assert max(values) == pytest.approx(1, abs=0.01)
    assert values[-1] == pytest.approx(0.01, abs=1e-3)
    assert values.index(max(values)) in range(25, 35)
