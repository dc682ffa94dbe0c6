"""The verifiers by name: what is signed, the abstract's form, and the space each works in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from persongen_bench import stats
from persongen_bench.core.roles import has_role, open_role
from persongen_bench.instruments.controls import c07_no_taste_verifier as c7
from persongen_bench.metrics._verifier import config as presets
from persongen_bench.metrics._verifier import instrument
from persongen_bench.metrics._verifier.config import PRESETS, role_of, settings_hash
from persongen_bench.metrics._verifier.network import UserItemPairs, VerifierNetwork
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit
from persongen_bench.metrics.risk.reidentification import Reidentification
from persongen_bench.metrics.taste.aesthetics_r2 import AestheticsCorrelation, AestheticsR2
from persongen_bench.metrics.taste.calibration import VerifierEce
from persongen_bench.metrics.taste.taste_auc import TasteAuc
from persongen_bench.metrics.taste.taste_gap import TasteGap
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_auc import VerifierAuc
from persongen_bench.metrics.taste.verifier_split_auc import VerifierTestAuc, VerifierTrainAuc
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

SMALL = c7.RatersConfig(n_users=30, per_user=40, embedding_size=12, n_factors=6, taste_sd=1.5)
JUDGE = "in:u8|judge_encoder:toy-judge|impl:1"
UNSEEN = "judge:unseen-of-5-folds,nearest-rated,one-scale|impl:2"
GOLDEN = {
    Verifier(): f"verifier|{JUDGE}|verifier:mf/4c6e099a.2|fit:train-likes|impl:1",
    Verifier("neumf"): f"verifier@neumf|{JUDGE}|verifier:neumf/d1b94c44.2|fit:train-likes|impl:1",
    Verifier("neumf-paper"): f"verifier@neumf-paper|{JUDGE}|verifier:neumf-paper/08d56d66.2"
    "|fit:train-likes|impl:1",
    VerifierAuc("no-taste"): f"verifier-auc@no-taste|{JUDGE}|verifier:no-taste/e2bf2c96.2"
    "|fit:train-likes|folds:5-by-image|pooled|pairs:same-fold|ties:half|impl:1",
    TasteGap("verifier"): f"taste-gap@verifier|{JUDGE}|verifier:mf/4c6e099a.2|{UNSEEN}",
    TasteGap("neighbour"): f"taste-gap@neighbour|{JUDGE}|neighbour|sim:cosine|impl:2",
}
"""What was signed before verifiers had a role and could lack biases (schema 4 of the runs)."""


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=4, accuracy=0.75)


# --- signatures ---------------------------------------------------------------------------


@pytest.mark.parametrize("metric", GOLDEN, ids=lambda metric: metric.info.name)
def test_signatures_of_old_numbers_stay_as_they_were(context, metric):
    assert metric.signature(context) == GOLDEN[metric]


def test_a_setting_that_was_added_is_signed_where_it_is_not_the_default(monkeypatch):
    before = settings_hash("mf")
    said = PRESETS["mf"].model_copy(update={"common": True})
    other = PRESETS["mf"].model_copy(update={"common": False})
    for config, same in ((said, True), (other, False)):
        monkeypatch.setattr(presets, "PRESETS", {"mf": config})
        assert (settings_hash("mf") == before) is same


# --- the abstract's form ------------------------------------------------------------------


def test_the_network_of_the_abstract_is_a_product_of_two_vectors():
    network = VerifierNetwork(2, 5, PRESETS["mf-abstract"])
    torch.nn.init.normal_(network.gmf_user)
    e, user = torch.arange(5.0) / 5, 1
    expected = network.gmf_user[user] @ (network.gmf_item.weight @ e)
    found = network(e[None], UserItemPairs(torch.tensor([user]), torch.tensor([0])))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    learned = {name for name, value in network.named_parameters() if value.requires_grad}
    assert learned == {"gmf_user", "gmf_item.weight"}


def test_a_trained_one_is_linear_in_the_embedding_and_blind_at_nothing():
    world = c7.simulate(SMALL, np.random.default_rng(0))
    weights = fit(world.embeddings, world.ratings, PRESETS["mf-abstract"]).weights
    a, b = world.embeddings[:7].astype(float), world.embeddings[7:14].astype(float)
    together = logits(weights, a) + logits(weights, b)
    np.testing.assert_allclose(logits(weights, a + b), together, atol=1e-8)
    assert (logits(weights, np.zeros((1, 12))) == 0).all()
    own = weights["gmf_user"].astype(float)
    expected = (a / weights["scale"]) @ weights["gmf_item.weight"].astype(float).T @ own.T
    np.testing.assert_allclose(logits(weights, a), expected, atol=1e-8)
    assert np.ptp(own, axis=0).max() > 0.1  # users were told apart


def test_the_scale_of_the_embeddings_does_not_matter():
    world = c7.simulate(SMALL, np.random.default_rng(1))
    one, other = (
        fit(factor * world.embeddings, world.ratings, PRESETS["mf-abstract"]).weights
        for factor in (1.0, 4.0)
    )
    expected = logits(one, world.embeddings)
    np.testing.assert_allclose(logits(other, 4 * world.embeddings), expected, atol=1e-4)


def test_it_learns_leniency_from_what_all_embeddings_share():
    """Without a common direction it cannot; with one it is as good as with biases."""
    world = c7.simulate(replace(SMALL, n_users=40, per_user=60), np.random.default_rng(2))
    shift = np.random.default_rng(3).normal(size=12).astype(np.float32)
    spread = []
    for embeddings in (world.embeddings, world.embeddings + 2 * shift):
        scores = logits(fit(embeddings, world.ratings, PRESETS["mf-abstract"]).weights, embeddings)
        lenient = world.logits.mean(axis=0)
        spread.append(np.corrcoef(scores.mean(axis=0), lenient)[0, 1])
    assert abs(spread[0]) < 0.5 < 0.8 < spread[1]


# --- the space ----------------------------------------------------------------------------


class Bigger:
    """The toy stack with an encoder for verifiers."""

    def __init__(self, stack: Any) -> None:
        self._stack, self.name, self.signature = stack, stack.name, stack.signature
        self.roles = (*stack.roles, "verifier_encoder")

    def role(self, name: str) -> Any:
        return self._stack.role("dino" if name == "verifier_encoder" else name)


@dataclass(frozen=True)
class Watched(ToyScores):
    """A context that notes the roles that were looked through."""

    asked: tuple[set[str], ...] = (set(),)

    def features(self, role, rows=None):
        self.asked[0].add(role)
        return super().features(role, rows)

    def item_features(self, role, item_ids):
        self.asked[0].add(role)
        return super().item_features(role, item_ids)


def watched(context, *, bigger):
    stack = Bigger(context.world.stack) if bigger else context.world.stack
    world = replace(context.world, stack=stack)
    return Watched(world, context.samples, context.pictures, asked=(set(),))


METRICS: Mapping[str, Any] = {
    "verifier": lambda: Verifier("mf"),
    "verifier-auc": lambda: VerifierAuc("mf"),
    "verifier-train-auc": lambda: VerifierTrainAuc("mf"),
    "verifier-test-auc": lambda: VerifierTestAuc("mf"),
    "taste-auc": lambda: TasteAuc("mf"),
    "verifier-ece": lambda: VerifierEce("mf"),
    "aesthetics-r2": lambda: AestheticsR2("mf"),
    "aesthetics-correlation": lambda: AestheticsCorrelation("mf"),
    "reidentification": lambda: Reidentification.parse("1-mf"),
    "taste-gap": lambda: TasteGap.parse("verifier-mf"),
}


def test_a_preset_works_in_its_own_role_alone(context, monkeypatch):
    plain, larger = watched(context, bigger=False), watched(context, bigger=True)
    before = {name: (make().per_unit(plain), make().signature(plain))
              for name, make in METRICS.items()}  # fmt: skip
    monkeypatch.setattr(presets, "ROLES", {"mf": "verifier_encoder"})
    for name, make in METRICS.items():
        metric, (values, signed) = make(), before[name]
        assert "verifier_encoder" in metric.info.roles
        assert "judge_encoder" not in metric.info.roles
        # The stack has no such role: the same number, of the same trained verifier.
        assert metric.signature(plain) == signed
        pd.testing.assert_series_equal(metric.per_unit(plain), values, check_exact=True)
        metric.per_unit(larger)
        metric.caveats(larger)
        assert "judge_encoder" not in larger.asked[0], name
        assert metric.signature(larger) == signed.replace("toy-judge", "toy-dino")
    assert "verifier_encoder" in larger.asked[0]
    trained = [key for key in plain._memo if key.startswith("instrument ")]
    assert len(trained) == 2  # of all ratings, and of the folds


def test_only_the_published_preset_has_another_role():
    assert {model: role_of(model) for model in PRESETS} == {
        **dict.fromkeys(PRESETS, "judge_encoder"), "neumf-paper": "verifier_encoder",
    }  # fmt: skip
    assert Verifier("neumf-paper").info.roles == ("verifier_encoder",)
    assert TasteGap("verifier-neumf-paper").info.roles == ("verifier_encoder",)


def test_a_stack_without_the_role_gives_the_judges_encoder(context):
    stack = context.world.stack
    assert open_role(stack, "verifier_encoder") is stack.role("judge_encoder")
    assert has_role(stack, "verifier_encoder")

    class Bare:
        name, roles = "bare", ("image_encoder",)

        def role(self, name):
            return stack.role(name)

    assert open_role(Bare(), "verifier_encoder") is stack.role("image_encoder")


# --- taste-gap ----------------------------------------------------------------------------


def test_the_gap_is_that_of_the_verifier_named(context):
    model = "mf-abstract"
    metric = TasteGap.parse(f"verifier-{model}")
    chances = instrument.unseen_probabilities(context, model, context.users)
    np.testing.assert_array_equal(metric.scores(context, context.users), chances)
    found = metric.per_unit(context)
    expected = np.clip(stats.taste_gap(stats.residuals_of(metric, context).table), -1, 1)
    np.testing.assert_array_equal(found, expected)
    assert abs(found.mean() - TasteGap("verifier").per_unit(context).mean()) > 1e-6


def test_the_gap_by_default_is_that_of_mf(context):
    named, plain = TasteGap("verifier-mf"), TasteGap("verifier")
    assert named.signature(context) == plain.signature(context).replace("verifier|", "verifier-mf|")
    pd.testing.assert_series_equal(named.per_unit(context), plain.per_unit(context))
