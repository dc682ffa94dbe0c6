"""Judges that have not seen what an image was made from, and what barely trained ones say."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from persongen_bench.core.dataset import View
from persongen_bench.instruments.controls import c07_no_taste_verifier as c7
from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics._verifier import instrument, unseen
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.crossfit import cross_fit
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit
from persongen_bench.metrics._verifier.trust import LEAST_GAIN, barely, warnings_of_folds
from persongen_bench.metrics._verifier.unseen import FoldJudges
from persongen_bench.metrics.risk.reidentification import Reidentification
from persongen_bench.metrics.taste.aesthetics_r2 import AestheticsCorrelation
from persongen_bench.metrics.taste.calibration import VerifierBrier, VerifierEce
from persongen_bench.metrics.taste.taste_auc import TasteAuc
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_auc import VerifierAuc
from persongen_bench.testing.toy_scores import toy_score_context

SMALL = c7.RatersConfig(n_users=30, per_user=40, embedding_size=12, n_factors=6)


@pytest.fixture(scope="module")
def raters():
    return c7.simulate(replace(SMALL, taste_sd=1.0), np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(raters):
    return cross_fit(raters.embeddings, raters.ratings, PRESETS["mf"])


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=4, accuracy=1.0)


def judges_of(raters, fitted):
    fold = fitted.predictions.fold
    return FoldJudges.of(fitted.models, raters.ratings, fold, raters.embeddings)


# --- who judges ----------------------------------------------------------------------------------


def test_a_copy_is_judged_by_the_model_that_has_not_seen_it(raters, fitted):
    fold = fitted.predictions.fold
    of_item = dict(zip(raters.ratings.item.tolist(), fold.tolist(), strict=True))
    expected = [of_item[k] for k in range(len(raters.embeddings))]
    chosen = judges_of(raters, fitted).choose(raters.embeddings)
    assert chosen.tolist() == expected
    assert set(expected) == set(range(5))


def test_any_other_image_is_judged_by_that_of_its_nearest_picture(raters, fitted, monkeypatch):
    images = np.random.default_rng(1).normal(size=(50, 12))
    cosines = unit_rows(images) @ unit_rows(raters.embeddings).T
    of_item = dict(zip(raters.ratings.item.tolist(), fitted.predictions.fold, strict=True))
    expected = [of_item[k] for k in cosines.argmax(axis=1)]
    judges = judges_of(raters, fitted)
    assert judges.choose(images).tolist() == expected
    monkeypatch.setattr(unseen, "_CELLS", 1)  # one image at a time
    assert judges.choose(images).tolist() == expected


def copies(context):
    """Every user gets the first four of the own training likes."""
    likes = context.train.liked_items
    rows = zip(context.samples["user_id"], context.samples["index"], strict=True)
    ids = [likes[user][index] for user, index in rows]
    return replace(context, pictures=tuple(context.item_images(ids)), _memo={}), ids


def test_copies_get_the_held_out_predictions_of_their_originals(context):
    copied, ids = copies(context)
    found = instrument.unseen_logits(copied, "mf", copied.users)
    known, arrays = copied.train.ratings, instrument.folds(copied, "mf").arrays
    held_out = {
        (known.users[u], known.items[i]): logit
        for u, i, logit in zip(known.user, known.item, arrays["logit"], strict=True)
    }
    expected = [[held_out[user, item] for user in copied.users] for item in ids]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # The verifier of everything has seen these very ratings and says something else.
    assert np.abs(found - instrument.verifier_logits(copied, "mf")).max() > 0.1


@pytest.mark.parametrize("model", ["mf", "neumf", "no-taste"])
def test_blocks_of_users_and_images_give_the_same_numbers(context, model, monkeypatch):
    whole = instrument.unseen_logits(context, model, context.users)
    assert whole.shape == (24, 6)
    assert np.isfinite(whole).all()
    some = instrument.unseen_logits(context, model, ["user-4", "user-1"], rows=[3, 20, 7])
    np.testing.assert_allclose(some, whole[np.ix_([3, 20, 7], [4, 1])], rtol=0, atol=1e-9)
    monkeypatch.setattr(unseen, "_CELLS", 1)
    again = instrument.unseen_logits(replace(context, _memo={}), model, context.users)
    np.testing.assert_allclose(again, whole, rtol=0, atol=1e-9)


def test_users_whom_a_fold_does_not_know_are_unknown(context):
    # user-0 keeps the ratings of one picture: its fold's verifier knows nothing of user-0.
    log = context.train.interactions
    first = log["item_id"].min()
    kept = log[(log["user_id"] != "user-0") | (log["item_id"] == first)]
    kept = kept[kept["user_id"] != "user-5"].reset_index(drop=True)
    world = replace(context.world, train=View(context.train.catalog, kept))
    cold = replace(context, world=world, _memo={})
    found = instrument.unseen_logits(cold, "mf", [*cold.users, "nobody"])
    unknown = np.isnan(found).all(axis=0)
    assert unknown.tolist() == [True, False, False, False, False, True, True]
    assert np.isfinite(found[:, ~unknown]).all()


def test_nothing_to_learn_gives_no_number(context):
    log = context.train.interactions
    likes = View(context.train.catalog, log[log["liked"]].reset_index(drop=True))
    implicit = replace(context, world=replace(context.world, train=likes), _memo={})
    assert np.isnan(instrument.unseen_logits(implicit, "mf", implicit.users)).all()
    assert "no verifier can be trained" in instrument.fold_warnings(implicit, "mf")[0]
    nobody = context.reordered([])
    assert instrument.unseen_logits(nobody, "mf", nobody.users).shape == (0, 6)


def test_a_copier_without_taste_fools_the_verifier_that_has_seen_the_likes_only():
    """Ratings are leniency and noise alone, on images that are all equally good.

    For whom was a training like? The verifier of everything gives it to its owner more than to
    the others; the fold verifier, by symmetry, does not: its mean advantage is 0.
    """
    advantage = {"seen": [], "unseen": []}
    for seed in range(3):
        config = replace(SMALL, per_user=60, embedding_size=30, taste_sd=0.0, quality_sd=0.0)
        world = c7.simulate(config, np.random.default_rng(seed))
        likes = np.flatnonzero(world.ratings.liked)
        item, owner = world.ratings.item[likes], world.ratings.user[likes]
        # Trained to its end, as early stopping would stop at once: there is nothing to learn.
        eager = PRESETS["mf"].model_copy(
            update={"patience": 20, "max_epochs": 20, "taste_decay": 0.0}
        )
        eager = eager.model_copy(update={"quality_first": False, "table_sd": 0.1})
        whole = logits(fit(world.embeddings, world.ratings, eager).weights, world.embeddings[item])
        fitted = cross_fit(world.embeddings, world.ratings, eager)
        judges = judges_of(world, fitted)
        fold = judges.choose(world.embeddings[item])
        parts = np.stack([logits(fitted.models[k], world.embeddings[item]) for k in range(5)])
        scores = {"seen": whole, "unseen": parts[fold, np.arange(len(item))]}
        for name, matrix in scores.items():
            centred = matrix - matrix.mean(axis=0) - matrix.mean(axis=1, keepdims=True)
            own = centred[np.arange(len(item)), owner] + matrix.mean()
            advantage[name].append(own.mean() / centred.std())
    assert min(advantage["seen"]) > 0.1
    assert np.mean(advantage["seen"]) > 5 * abs(np.mean(advantage["unseen"]))


# --- the owners' own numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mf", "neumf", "no-taste"])
def test_the_own_scores_are_those_of_the_matrix(context, model):
    column = [context.users.index(user) for user in context.samples["user_id"]]
    matrix = instrument.verifier_matrix(context, model)
    own = instrument.own_probabilities(context, model)
    np.testing.assert_allclose(own, matrix[np.arange(24), column], rtol=0, atol=1e-9)


def test_the_verifier_makes_no_matrix(context, monkeypatch):
    def refuse(*_):
        raise AssertionError("a matrix of all users was asked for")

    monkeypatch.setattr(instrument, "logits", refuse)
    assert Verifier().per_unit(replace(context, _memo={})).notna().all()


# --- barely trained ------------------------------------------------------------------------------


def thinned(context):
    """A log of 24 ratings in which everything is liked at random: nothing can be learned."""
    log = context.train.interactions.groupby("user_id").head(4)
    liked = np.random.default_rng(0).random(len(log)) < 0.5
    train = View(context.train.catalog, log.assign(liked=liked).reset_index(drop=True))
    return replace(context, world=replace(context.world, train=train), _memo={})


def test_a_verifier_that_has_learned_no_taste_is_the_one_without(context):
    small = thinned(context)
    numbers = [Verifier(model).per_unit(small) for model in ("mf", "neumf", "no-taste")]
    for model in ("mf", "neumf"):
        assert barely(instrument.trained(small, model)) is not None
        assert instrument.trained(small, model)["course"][-1, 0] == 0
    assert (numbers[0] == numbers[1]).all()
    assert (numbers[0] == numbers[2]).all()


BARELY = [Verifier("neumf"), VerifierAuc(), TasteAuc(), VerifierEce(), VerifierBrier()]


@pytest.mark.parametrize(
    "metric", [*BARELY, AestheticsCorrelation(), Reidentification.parse("1-mf")]
)
def test_it_is_said_beside_every_number_of_a_trained_verifier(context, metric):
    assert "barely trained" in " ".join(metric.caveats(thinned(context)))
    assert "barely trained" not in " ".join(metric.caveats(context))


def test_a_stored_verifier_keeps_what_is_said_of_it(context, tmp_path):
    small, path = thinned(context), tmp_path / "stored.npz"
    np.savez(path, **instrument.trained(small, "mf"))
    with np.load(path) as arrays:
        assert barely(dict(arrays)) == barely(instrument.trained(small, "mf"))


def test_the_course_is_that_of_the_losses(raters):
    fitted = fit(raters.embeddings, raters.ratings, PRESETS["mf"])
    (first, second), losses = fitted.course, fitted.losses
    patience = PRESETS["mf"].patience
    assert losses[int(first[0]) - 1] == first[2] < first[1]
    assert second[1] == pytest.approx(first[2], abs=1e-6)  # the taste part starts from nothing
    begun = int(first[0]) + patience
    assert losses[begun + int(second[0]) - 1] == second[2] == min(losses[begun:])
    assert second[1] - second[2] > LEAST_GAIN
    assert barely(fitted.arrays) is None


@pytest.mark.parametrize(
    ("course", "table", "left"),
    [
        ([[3, 0.6, 0.5], [0, 0.5, 0.5]], "gmf_user", "no-taste"),
        ([[3, 0.6, 0.5], [2, 0.5, 0.4995]], "gmf_user", "no-taste"),
        ([[0, 0.6, 0.6], [2, 0.6, 0.5]], "gmf_user", None),
        ([[0, 0.7, 0.7]], "mlp_user", "random start"),
        ([[0, 0.7, 0.7]], "user_bias", "share of likes"),
        ([[0, np.nan, np.nan]], "user_bias", "share of likes"),
        ([[9, 0.7, 0.5]], "user_bias", None),
    ],
)
def test_what_is_left_without_learning(course, table, left):
    said = barely({"course": np.array(course), table: np.zeros(1)})
    assert said is None if left is None else left in said


def test_folds_are_counted():
    good = {"course": np.array([[9, 0.7, 0.5]]), "user_bias": np.zeros(1)}
    bad = good | {"course": np.array([[0, 0.7, 0.7]])}
    assert warnings_of_folds("mf", {0: good, 1: good}) == ()
    (said,) = warnings_of_folds("mf", {0: good, 1: bad, 2: bad})
    assert "in 2 of 3 folds" in said


def test_probabilities_are_of_the_logits(context):
    expected = expit(instrument.verifier_logits(context, "mf"))
    np.testing.assert_array_equal(instrument.verifier_matrix(context, "mf"), expected)
