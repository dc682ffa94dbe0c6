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
from persongen_bench.metrics._verifier.unseen import FoldJudges, JudgedImages
from persongen_bench.metrics.risk.reidentification import Reidentification
from persongen_bench.metrics.taste.aesthetics_r2 import AestheticsCorrelation
from persongen_bench.metrics.taste.calibration import VerifierBrier, VerifierEce
from persongen_bench.metrics.taste.taste_auc import TasteAuc
from persongen_bench.metrics.taste.taste_gap import TasteGap
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_auc import VerifierAuc
from persongen_bench.metrics.taste.verifier_split_auc import VerifierTestAuc, VerifierTrainAuc
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
    # But for the difference between the judges, which is taken out at the mean rated picture.
    copied, ids = copies(context)
    found = instrument.unseen_logits(copied, "mf", copied.users)
    known, (arrays, models) = copied.train.ratings, instrument.folds(copied, "mf")
    mean = np.unique(instrument.rated_features(copied, "mf"), axis=0).mean(axis=0)[None]
    of_mean = {k: logits(weights, mean)[0] for k, weights in models.items()}
    shift = {k: row - np.mean(list(of_mean.values()), axis=0) for k, row in of_mean.items()}
    held_out = {
        (known.users[u], known.items[i]): logit - shift[fold][u]
        for u, i, logit, fold in zip(
            known.user, known.item, arrays["logit"], arrays["fold"], strict=True
        )
    }
    expected = [[held_out[user, item] for user in copied.users] for item in ids]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
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


class Copies:
    """What `JudgedImages` asks a context for: generated images that are copies of rated ones."""

    def __init__(self, embeddings):
        self.samples, self.rows = range(len(embeddings)), embeddings

    def features(self, role, rows):
        return self.rows[list(rows)]


def advantage(scores, owner):
    """Mean of the owners' scores after users' and images' means are taken out, in sds."""
    left = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    return left[np.arange(len(owner)), owner].mean() / left.std()


def test_a_copier_without_taste_is_not_personal_to_judges_that_have_not_seen_the_likes():
    """Ratings are leniency, quality and chance; every user is handed all the own likes.

    Five worlds. Measured on six: .33 (standard error .01) by the verifier that has seen them, -.04
    (.02) by those that have not; trained to the end, as early stopping would hide the effect.
    """
    eager = PRESETS["mf"].model_copy(
        update={
            "patience": 20,
            "max_epochs": 20,
            "taste_decay": 0.0,
            "quality_first": False,
            "table_sd": 0.1,
        }
    )
    seen, others = [], []
    for seed in range(5):
        config = replace(SMALL, per_user=60, embedding_size=30, quality_sd=0.0)
        world = c7.simulate(config, np.random.default_rng(seed))
        likes = world.ratings.take(world.ratings.liked)
        pictures = world.embeddings[likes.item]
        whole = fit(world.embeddings, world.ratings, eager).weights
        seen.append(advantage(logits(whole, pictures), likes.user))
        judges = judges_of(world, cross_fit(world.embeddings, world.ratings, eager))
        judged = JudgedImages.of(Copies(pictures), judges, "judge_encoder").logits(
            world.ratings.users
        )
        others.append(advantage(judged, likes.user))
    error = np.std(others, ddof=1) / np.sqrt(len(others))
    assert np.mean(seen) > 0.25
    assert -0.1 < np.mean(others) < 3 * error


@pytest.mark.parametrize("model", ["mf", "neumf"])
def test_judges_are_on_one_scale(model):
    """Leniency times quality, early stopping as in use: -.18 (.02) before, -.01 (.01) since."""
    found = []
    for seed in range(4):
        config = replace(SMALL, per_user=60, embedding_size=30)
        world = c7.simulate(config, np.random.default_rng(seed))
        likes = world.ratings.take(world.ratings.liked)
        judges = judges_of(world, cross_fit(world.embeddings, world.ratings, PRESETS[model]))
        copied = Copies(world.embeddings[likes.item])
        judged = JudgedImages.of(copied, judges, "judge_encoder")
        found.append(advantage(judged.logits(world.ratings.users), likes.user))
    assert abs(np.mean(found)) < 0.08


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


BARELY = [
    Verifier("neumf"), Verifier("mf-abstract"), VerifierAuc(), VerifierAuc("mf-abstract"),
    TasteAuc(), VerifierEce(), VerifierBrier(), TasteGap("verifier-mf-abstract"),
    VerifierTrainAuc("mf-abstract"), VerifierTestAuc(),
]  # fmt: skip


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


def test_of_pictures_that_are_equally_near_the_first_decides_whatever_the_rounding():
    """A picture and ten darker copies of it: cosines that are equal but for the last digits."""
    rng = np.random.default_rng(0)
    picture = rng.normal(size=7)
    copies = picture * np.linspace(0.1, 1.1, 11)[:, None]
    judges = FoldJudges({}, (), np.zeros(0, bool), copies, np.arange(11))
    images = rng.normal(size=(50, 7))
    plain = np.argmax(unit_rows(images) @ unit_rows(copies).T, axis=1)
    assert plain.any()  # rounding would choose others
    assert not judges.choose(images).any()
