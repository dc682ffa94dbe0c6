"""Stage 2: pairs, the loss on log-ratios, and what it leaves alone."""

import math

import numpy as np
import pytest
import torch
from pigeon_case import LMM, digest, studio_of

from persongen_bench.core.language import WriteOptions
from persongen_bench.core.progress import no_progress
from persongen_bench.methods.pigeon import pairs as pairs_module
from persongen_bench.methods.pigeon.alignment import (
    LogRatios,
    _warn_if_diverged,
    align,
    likelihoods,
    log_ratios,
    preference_loss,
    within,
)
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.pairs import closeness, make_pairs, ranked
from persongen_bench.methods.tuning.lora import POLICY, REFERENCE
from persongen_bench.methods.tuning.training import Bench

LN2 = math.log(2)
BENCH = Bench("test", None, no_progress)


def ratios(*rows):
    return LogRatios(*torch.tensor(rows, dtype=torch.float64).T)


# --- the loss -----------------------------------------------------------------------------------


def test_the_loss_of_two_pairs_by_hand():
    """Margins (-10+11) - (-12+11) = 2 and (-8+7) - (-9+10) = -2; -log sigmoid(.1 m) of each."""
    made = ratios([-10, -12, -11, -11], [-8, -9, -7, -10])
    assert made.margins.tolist() == [2.0, -2.0]
    expected = [math.log1p(math.exp(-0.2)), math.log1p(math.exp(0.2))]
    np.testing.assert_allclose(preference_loss(made, 0.1).numpy(), expected)


def test_a_larger_beta_asks_for_less():
    """The same loss is reached with a tenth of the margin: beta holds the policy back."""
    far, near = ratios([-10, -30, -10, -10]), ratios([-10, -12, -10, -10])
    torch.testing.assert_close(preference_loss(far, 0.1), preference_loss(near, 1.0))


@pytest.mark.parametrize("beta", [0.01, 0.1, 1.0, 5000.0])
def test_ln_2_where_policy_and_reference_are_one(beta):
    same = ratios([-10, -12, -10, -12])
    assert float(preference_loss(same, beta)) == pytest.approx(LN2, abs=1e-15)


@pytest.mark.parametrize("beta", [0.1, 5000.0])
def test_ln_2_at_the_first_step_of_a_real_model(beta):
    """With a stage-1 LoRA that is not zero, dropout configured, and two prompts of two lengths."""
    with studio_of(beta=beta, lora_dropout=0.5) as studio:
        moved(studio)
        studio.adapters.load(studio.adapters.state(POLICY), REFERENCE)
        made = log_ratios(studio, pairs_of(studio)[:2])
        loss = preference_loss(made, studio.config.beta)
    assert torch.equal(loss.detach(), torch.full((2,), LN2))
    assert loss.requires_grad


# --- the two models -----------------------------------------------------------------------------


def moved(studio):
    """A stage 1 that has learned something, whatever it is."""
    generator = torch.Generator().manual_seed(4)
    for parameter in studio.adapters.parameters(POLICY):
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)


def pairs_of(studio):
    return make_pairs(studio, BENCH).pairs


def stage_one(studio, pairs):
    prompts = studio.composer.prompts_alone([p.case for p in pairs], [p.setting for p in pairs])
    with torch.no_grad():
        return likelihoods(studio.models.lmm, prompts, pairs)


def test_the_reference_is_stage_one_bit_for_bit():
    """Whatever stage 2 trains: the reference pass afterwards is that of the frozen stage 1."""
    with studio_of(dpo_steps=6, dpo_learning_rate=0.05, dpo_batch_size=3) as studio:
        moved(studio)
        pairs = pairs_of(studio)
        before, parts = stage_one(studio, pairs), digest(studio.composer.parts)
        frozen = digest_of_base()
        align(studio, pairs, lambda: {"agreement": 1.0}, BENCH)
        after = log_ratios(studio, pairs)
        assert digest_of_base() == frozen
        assert digest(studio.composer.parts) == parts
    reference = torch.cat([after.chosen_reference, after.rejected_reference])
    assert torch.equal(reference, before)
    policy = torch.cat([after.chosen, after.rejected]).detach()
    assert not torch.equal(policy, before)


def digest_of_base():
    kept = {n: v for n, v in LMM.model.state_dict().items() if "lora" not in n}
    return {name: value.numpy().tobytes() for name, value in kept.items()}


def test_training_prefers_the_chosen():
    with studio_of(dpo_steps=12, dpo_learning_rate=0.02, dpo_batch_size=4) as studio:
        pairs = pairs_of(studio)
        looks = align(studio, pairs, lambda: {"agreement": 1.0}, BENCH)
        margins = log_ratios(studio, pairs).margins
    assert float(margins.detach().min()) > 0
    assert {"accuracy", "chosen", "chosen_gap", "rejected_gap"} <= looks[-1].keys()
    assert looks[-1]["accuracy"] == 1.0
    assert looks[1]["training_loss"] == pytest.approx(LN2, abs=1e-6)


def test_it_stops_on_agreement_and_goes_back():
    """Agreement .9, .89, .7: the third look is more than 5% below the first."""
    said = iter([0.9, 0.89, 0.7])
    options = {"dpo_steps": 9, "dpo_check_every": 1, "dpo_learning_rate": 0.05}
    with studio_of(**options) as studio:
        pairs, states = pairs_of(studio), []

        def agreement():
            states.append(studio.adapters.state(POLICY))
            return {"agreement": next(said)}

        looks = align(studio, pairs, agreement, BENCH)
        final = studio.adapters.state(POLICY)
    assert [look["step"] for look in looks] == [0, 1, 2]
    assert all(torch.equal(final[name], states[1][name]) for name in final)
    assert not all(torch.equal(states[2][name], states[1][name]) for name in final)


def test_agreement_is_judged_by_its_share():
    judge = within(0.05)
    assert judge([{"agreement": 0.4}, {"agreement": 0.381}]).keep
    assert judge([{"agreement": 0.4}, {"agreement": 0.379}]).stop
    assert judge([{"agreement": -0.4}, {"agreement": -0.41}]).keep


def test_no_pairs_leave_stage_one():
    with studio_of() as studio:
        moved(studio)
        before = studio.adapters.state(POLICY)
        assert align(studio, [], dict, BENCH) == []
        after = studio.adapters.state(POLICY)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_divergence_is_said():
    _warn_if_diverged([{"agreement": 1.0}, {"chosen_gap": -9.0}])
    with pytest.warns(UserWarning, match=r"12\.0 nats less likely"):
        _warn_if_diverged([{"chosen_gap": -12.0}, {"chosen_gap": 1.0}])


# --- the pairs ----------------------------------------------------------------------------------


def test_best_and_worst():
    codes = [np.array([k, k]) for k in range(4)]
    assert ranked(codes, [0.2, 0.5, 0.1, 0.5]) == (1, 2)
    assert ranked(codes, [0.3, 0.3, 0.3, 0.3]) == "tie"
    same = [codes[0], codes[1], codes[0].copy(), codes[1]]
    assert ranked(same, [0.5, 0.3, 0.2, 0.4]) == "equal"  # 0 and 2 are the same tokens


def test_pairs_are_made_under_one_conditioning():
    with studio_of(n_pairs=6) as studio:
        made = make_pairs(studio, BENCH)
        again = make_pairs(studio, BENCH)
        assert len(made.pairs) + made.n_ties + made.n_equal == 6
        for pair, other in zip(made.pairs, again.pairs, strict=True):
            assert pair.setting == other.setting
            np.testing.assert_array_equal(pair.chosen, other.chosen)
            assert pair.setting.ratio in RATIOS
            assert pair.setting.phase == "inference"
            assert not np.array_equal(pair.chosen, pair.rejected)


def test_the_chosen_is_nearer_to_the_history():
    """Eq. 9 by hand, on what the visual features say of both answers of every pair."""
    with studio_of(n_pairs=6) as studio:
        for pair in pairs_of(studio):
            shown = {id(p) for p in pair.case.history}
            owned = next(
                o for o in studio.windows.fit
                if {id(p) for p in studio.pictures.of(o.window.history)} == shown
            )  # fmt: skip
            near, far = closeness(studio, [pair.chosen, pair.rejected], owned)
            rows = np.stack([studio.features[i] for i in owned.window.history])
            made = studio.composer.features.whole([pair.chosen])[0]
            cosines = rows @ made / np.linalg.norm(rows, axis=1) / np.linalg.norm(made)
            assert near == pytest.approx(float(cosines.mean()), rel=1e-4)
            assert near > far


def test_answers_are_drawn_from_what_the_loss_compares(monkeypatch):
    """Not as `generate` draws: temperature 1 and no guidance, whatever the options say."""
    seen, own = [], LMM.write

    def write(prompts, seeds, options):
        seen.append((len(prompts), options))
        return own(prompts, seeds, options)

    monkeypatch.setattr(LMM, "write", write)
    with studio_of(n_pairs=3, temperature=0.2, history_guidance=3.0, top_k=2) as studio:
        pairs_of(studio)
    assert seen == [(33, WriteOptions(1.0, 2, 1.0))]


def test_killed_pairs_go_on_where_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs_module, "AT_A_TIME", 2)
    monkeypatch.setattr(pairs_module, "CHECKPOINT_SECONDS", 0.0)
    bench, asked, own = Bench("this fit", tmp_path, no_progress), [], LMM.write

    def write(prompts, seeds, options):
        asked.append(len(prompts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return own(prompts, seeds, options)

    with studio_of(n_pairs=6) as studio:
        whole = make_pairs(studio, BENCH)
        monkeypatch.setattr(LMM, "write", write)
        with pytest.raises(KeyboardInterrupt):
            make_pairs(studio, bench)
        resumed = make_pairs(studio, bench)
        assert asked == [22] * 4  # three blocks of two windows, the last one twice
        make_pairs(studio, Bench("another fit", tmp_path, no_progress))
    assert len(asked) == 7
    assert len(resumed.pairs) == len(whole.pairs)
    for one, other in zip(resumed.pairs, whole.pairs, strict=True):
        np.testing.assert_array_equal([one.chosen, one.rejected], [other.chosen, other.rejected])
        assert one.setting == other.setting
