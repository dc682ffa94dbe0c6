"""AUC on training and on held-out ratings: against scikit-learn, and what is said beside it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from persongen_bench import stats
from persongen_bench.core.dataset import View
from persongen_bench.metrics._verifier import instrument, rated
from persongen_bench.metrics.taste import verifier_split_auc as module
from persongen_bench.metrics.taste.verifier_split_auc import (
    VerifierTestAuc,
    VerifierTrainAuc,
    verifier_roc,
)
from persongen_bench.testing.toy_scores import toy_score_context

SIDES = [(VerifierTrainAuc, "train"), (VerifierTestAuc, "held-out")]


@pytest.fixture(scope="module")
def context():
    """Of the toy's users some like anything now and then, so that no side is ranked perfectly."""
    whole = toy_score_context(n_images=2)
    noisy = {}
    for side in ("train", "test"):
        view = getattr(whole.world, side)
        rng = np.random.default_rng(len(view.interactions))
        log = view.interactions
        flipped = log["liked"].to_numpy() ^ (rng.random(len(log)) < 0.2)
        noisy[side] = View(view.catalog, log.assign(liked=flipped))
    return replace(whole, world=replace(whole.world, **noisy), _memo={})


def held_out(context, change):
    """The context with another held-out log."""
    test = View(context.test.catalog, change(context.test.interactions).reset_index(drop=True))
    kept = {k: v for k, v in context._memo.items() if k.startswith("instrument ")}
    return replace(context, world=replace(context.world, test=test), _memo=kept)


def direct(context, model, view):
    """AUC of the verifier's logits, rating by rating."""
    table = view.ratings
    scores = instrument.predict(context, model, context.item_features("judge_encoder", table.items))
    column = pd.Index(context.users).get_indexer(pd.Index(table.users))
    return roc_auc_score(table.liked, scores[table.item, column[table.user]])


@pytest.mark.parametrize(("metric", "side"), SIDES)
@pytest.mark.parametrize("model", ["mf", "no-taste"])
def test_the_number_is_scikit_learns_auc_of_the_verifiers_logits(context, metric, side, model):
    view = context.train if side == "train" else context.test
    values = metric(model).per_unit(context)
    expected = direct(context, model, view)
    assert 0.3 < expected < 1
    assert values.mean() == pytest.approx(expected, abs=1e-9)
    assert values.std() > 0
    assert verifier_roc(context, model, side).auc == pytest.approx(expected, abs=1e-9)


def test_blocks_do_not_change_a_digit(context, monkeypatch):
    whole = rated.rated_scores(context, "neumf", "held-out").logit
    monkeypatch.setattr(rated, "_BLOCK", 5)
    again = rated.rated_scores(replace(context, _memo={}), "neumf", "held-out").logit
    np.testing.assert_array_equal(whole, again)


def test_held_out_ratings_of_unknown_users_do_not_count(context):
    log = context.train.interactions
    train = View(context.train.catalog, log[log["user_id"] != "user-0"].reset_index(drop=True))
    cold = replace(context, world=replace(context.world, train=train), _memo={})
    scores = rated.rated_scores(cold, "mf", "held-out")
    assert len(scores.ratings) == (context.test.interactions["user_id"] != "user-0").sum()
    assert np.isnan(VerifierTestAuc().per_unit(cold)["user-0"])
    others = held_out(context, lambda log: log[log["user_id"] != "user-0"])
    nobody = held_out(cold, lambda log: log[log["user_id"] == "user-0"])
    assert VerifierTestAuc().per_unit(others).notna().sum() == len(context.users) - 1
    assert VerifierTestAuc().per_unit(nobody).isna().all()


@pytest.mark.parametrize("kind", [True, False])
def test_a_side_of_one_kind_has_no_number_and_says_so(context, kind):
    one = held_out(context, lambda log: log[log["liked"] == kind])
    assert VerifierTestAuc().per_unit(one).isna().all()
    assert VerifierTestAuc().caveats(one)[0].startswith("no number: the held-out ratings")
    assert VerifierTrainAuc().per_unit(one).notna().all()
    assert not any("no number" in said for said in VerifierTrainAuc().caveats(one))
    log = context.train.interactions
    train = View(context.train.catalog, log[log["liked"] == kind].reset_index(drop=True))
    bare = replace(context, world=replace(context.world, train=train), _memo={})
    for metric, _ in SIDES:
        assert metric().per_unit(bare).isna().all()
        assert "no verifier" in metric().caveats(bare)[0]
    assert verifier_roc(bare, "mf", "train") is None


def test_it_is_said_where_held_out_ratings_are_not_predicted():
    """Held-out dislikes for likes: the verifier is worse than chance there."""
    clear = toy_score_context(n_images=2)
    assert VerifierTrainAuc("mf").caveats(clear) == VerifierTestAuc("mf").caveats(clear) == ()
    other = held_out(clear, lambda log: log.assign(liked=~log["liked"]))
    for metric, _ in SIDES:
        (said,) = metric("mf").caveats(other)
        assert "more than 2 standard errors" in said
        assert "training ratings, 1.000," in said
        assert "held-out ones, 0.000 [0.000, 0.000] over resampled users" in said


@pytest.mark.parametrize(("train", "said"), [(0.869, 0), (0.871, 1), (0.831, 0), (0.829, 1)])
def test_two_standard_errors_are_the_border(train, said):
    nothing = np.zeros(1)
    curve = stats.Roc(nothing, nothing, nothing, nothing, 0.85, 0.83, 0.87, 0.01)
    assert len(module._apart(train, curve)) == said


def test_one_user_gives_no_standard_error_and_no_warning():
    nothing = np.zeros(1)
    curve = stats.Roc(nothing, nothing, nothing, nothing, 0.5, *[np.nan] * 3)
    assert module._apart(0.9, curve) == ()
