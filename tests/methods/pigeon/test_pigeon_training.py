"""The loop, and stage 1."""

import pytest
import torch
from pigeon_case import LMM, config_of, digest, studio_of

from persongen_bench.core.errors import RunError
from persongen_bench.core.progress import no_progress
from persongen_bench.methods.pigeon import reconstruction
from persongen_bench.methods.pigeon.composing import Setting
from persongen_bench.methods.pigeon.reconstruction import (
    Lesson,
    groups,
    likelihoods,
    look,
    place_weights,
    reconstruct,
)
from persongen_bench.methods.tuning import training
from persongen_bench.methods.tuning.training import Bench, Course, Trainer, Verdict, best_of, rows

BENCH = Bench("test", None, no_progress)


def always(looks):
    return Verdict(keep=True, stop=False)


def quadratic(n_steps=6, judge=always, check_every=2):
    """Half the squared distance of one number from 3, plus noise of the step's own."""
    x = torch.nn.Parameter(torch.zeros(1))
    trainer = Trainer([(0.1, [x])], Course("a test", n_steps, 2, check_every, judge))

    def loss(step):
        target = 3 + torch.randn(1, generator=torch.Generator().manual_seed(step))
        return 0.5 * (x - target).square().sum()

    return x, trainer, loss


def test_the_rate_rises_and_falls():
    """Four steps up, then six down to nothing."""
    course = Course("", 10, 4, 1, always)
    rates = [course.rate(step) for step in range(10)]
    assert rates == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert Course("", 4, 0, 1, always).rate(0) == 1


def test_rows_are_endless_shuffles():
    drawn = rows(5, 3, 0, 15)
    assert [sorted(drawn[k : k + 5]) for k in (0, 5, 10)] == [[0, 1, 2, 3, 4]] * 3
    assert drawn[4:9] == rows(5, 3, 4, 5)
    assert drawn != rows(5, 4, 0, 15)


def test_it_looks_before_between_and_after():
    x, trainer, loss = quadratic(5)
    looks = trainer.train(loss, lambda: {"x": float(x.detach())}, BENCH)
    assert [facts["step"] for facts in looks] == [0, 2, 4, 5]
    assert looks[0]["x"] == 0
    assert "training_loss" not in looks[0]
    assert looks[1]["training_loss"] == pytest.approx(sum(trainer.losses[:2]) / 2)


def test_the_best_weights_are_kept():
    """The values say that the second look is best: the weights go back to step 2."""
    values, seen = iter([5.0, 1.0, 2.0, 3.0]), []
    x, trainer, loss = quadratic(6, best_of("loss", 2, lower=True))

    def say():
        seen.append(float(x.detach()))
        return {"loss": next(values)}

    trainer.train(loss, say, BENCH)
    assert float(x.detach()) == seen[1]
    assert len(seen) == 4


def test_patience():
    lower, higher = best_of("v", 2, lower=True), best_of("v", 2)
    falling = [{"v": 3.0}, {"v": 2.0}, {"v": 2.5}, {"v": 2.0}]
    assert not lower(falling[:3]).stop
    assert lower(falling).stop  # no better for two looks; equal is not better
    assert lower(falling[:2]).keep
    assert not higher(falling[:2]).keep
    assert best_of("other", 1)(falling) == Verdict(keep=True, stop=False)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    x, trainer, loss = quadratic(8)
    whole = trainer.train(loss, lambda: {"x": float(x.detach())}, BENCH)

    y, killed, part = quadratic(8)

    def until_five(step):
        if step == 5:
            raise KeyboardInterrupt
        return part(step)

    bench = Bench("this fit", tmp_path, no_progress)
    with pytest.raises(KeyboardInterrupt):
        killed.train(until_five, lambda: {"x": float(y.detach())}, bench)
    z, resumed, rest = quadratic(8)
    steps = []
    looks = resumed.train(
        lambda step: steps.append(step) or rest(step), lambda: {"x": float(z.detach())}, bench
    )
    assert steps[0] == 4  # the last look before the end was after step 4
    assert looks == whole
    assert torch.equal(z, x)
    _, fresh, _ = quadratic(8)
    fresh.train(rest, dict, Bench("another fit", tmp_path, no_progress))
    assert len(fresh.losses) == 8


def test_a_loss_that_is_no_number_is_said():
    x, trainer, _ = quadratic()
    with pytest.raises(RunError, match="the loss of a test became nan at step 0"):
        trainer.train(lambda step: x.sum() * float("nan"), dict, BENCH)


# --- stage 1 ------------------------------------------------------------------------------------


def test_only_target_tokens_count():
    """The loss of one window is the mean of the model's own log-probabilities of its target."""
    with studio_of(training_history_ratio=0.0, reference_mask="none") as studio:
        owned = studio.windows.fit[:2]
        settings = [Setting(0.3, 0.0, "fit", k) for k in range(2)]
        cases = [studio.case(o) for o in owned]
        prompts = studio.composer.prompts(cases, settings)
        targets = [studio.pictures.of([o.window.target])[0].codes for o in owned]
        said = LMM.log_probabilities(prompts, targets)
        ours = likelihoods(studio, owned, settings)
    torch.testing.assert_close(ours, said.mean(dim=1))


def test_large_codebooks_may_count_less():
    """Places of 2, 8 and 8 codes: 1 / log 2 is three times 1 / log 8; a lone code counts as two."""
    weights = place_weights([range(2), range(2, 10), range(10, 18), range(1)], "capacity")
    torch.testing.assert_close(weights / weights[1], torch.tensor([3.0, 1.0, 1.0, 3.0]))
    assert place_weights([range(2), range(8)], "equal").tolist() == [1.0, 1.0]


def test_weighted_tokens_are_a_weighted_mean(monkeypatch):
    uneven = torch.tensor([3.0, 1.0, 0.0])
    monkeypatch.setattr(reconstruction, "place_weights", lambda allowed, kind: uneven)
    monkeypatch.setattr(
        LMM, "log_probabilities", lambda prompts, codes: torch.tensor([[-1.0, -3.0, -9.0]])
    )
    with studio_of() as studio:
        made = likelihoods(studio, studio.windows.fit[:1], [Setting(0.3, 0.0, "fit", 0)])
    assert made.tolist() == [-1.5]  # (3 * -1 + 1 * -3) / 4


def test_ratios_are_each_samples_own():
    with studio_of(batch_size=6) as studio:
        lesson, seen = Lesson(studio), []
        kept = studio.composer.prompts
        studio.composer.prompts = lambda cases, settings: (
            seen.extend(settings) or kept(cases, settings)
        )
        one, again, other = (lesson.loss(step).item() for step in (3, 3, 4))
    assert one == again
    assert one != other
    assert len({s.ratio for s in seen[:6]}) == 6
    assert all(0 <= s.ratio <= 1 and s.phase == "fit" and s.history_ratio == 0.2 for s in seen)


def test_it_learns_what_it_should_and_nothing_else():
    with studio_of(n_steps=10, learning_rate=0.02, check_every=5) as studio:
        base = {n: v.clone() for n, v in LMM.model.state_dict().items() if "lora" not in n}
        parts = digest(studio.composer.parts.generator), digest(studio.composer.parts.adapter)
        looks = reconstruct(studio, BENCH)
        now = digest(studio.composer.parts.generator), digest(studio.composer.parts.adapter)
        assert all(torch.equal(LMM.model.state_dict()[n], v) for n, v in base.items())
        assert not any(p.training for p in studio.composer.parts.modules())
    assert looks[-1]["loss"] < looks[0]["loss"] - 0.1
    assert parts[0] != now[0]
    assert parts[1] != now[1]


def test_the_released_generator_stays_as_drawn():
    with studio_of(mask="released", n_steps=2) as studio:
        before = digest(studio.composer.parts.generator)
        reconstruct(studio, BENCH)
        assert digest(studio.composer.parts.generator) == before
        names = {id(p) for _, group in groups(studio) for p in group}
        assert not names & {id(p) for p in studio.composer.parts.generator.parameters()}


def test_a_look_is_the_same_at_every_time():
    with studio_of(lora_dropout=0.5) as studio:
        torch.manual_seed(1)
        one = look(studio)
        torch.manual_seed(2)
        assert look(studio) == one
        assert set(one) == {"loss", "gain"}
    with studio_of(n_history=4) as studio:
        assert look(studio) == {}  # five likes each: a window for the fit, and none to spare


def test_settings_of_the_fit_keep_the_training_ratio():
    with studio_of(history_ratio=0.9) as studio:
        assert studio.setting(0.5, 1).history_ratio == config_of().training_history_ratio == 0.2
