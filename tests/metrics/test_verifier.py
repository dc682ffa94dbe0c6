"""The verifier as an instrument: what it learns, what it must not see, what its figures mean."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import Ratings
from persongen_bench.instruments.controls import c07_no_taste_verifier as c7
from persongen_bench.instruments.controls.base import ControlOptions
from persongen_bench.metrics._verifier import crossfit, leniency
from persongen_bench.metrics._verifier.concordance import auc, pair_sums, pooled_auc
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.folds import Predictions, image_folds, merge_copies
from persongen_bench.metrics._verifier.instrument import (
    held_out_predictions,
    trained,
    unseen_logits,
    verifier_matrix,
)
from persongen_bench.metrics._verifier.network import UserItemPairs, VerifierNetwork
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit
from persongen_bench.metrics.taste.taste_auc import TasteAuc, taste_auc
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_auc import VerifierAuc, VerifierUserAuc
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_scores import toy_score_context

SMALL = c7.RatersConfig(n_users=30, per_user=40, embedding_size=12, n_factors=6)


@pytest.fixture(scope="module")
def raters():
    return c7.simulate(replace(SMALL, taste_sd=1.5), np.random.default_rng(0))


def table(rows):
    """Ratings from ``(user, item, liked)``."""
    users, items = (tuple(sorted({row[k] for row in rows})) for k in (0, 1))
    return Ratings(
        users,
        items,
        np.array([users.index(u) for u, _, _ in rows]),
        np.array([items.index(i) for _, i, _ in rows]),
        np.array([float(liked) for _, _, liked in rows]),
        np.array([bool(liked) for _, _, liked in rows]),
    )


# --- areas under curves -------------------------------------------------------------------


def test_auc_counts_pairs():
    # Likes score 3 and 1, dislikes 2 and 1: pairs (3,2), (3,1) right, (1,2) wrong, (1,1) tied.
    assert auc(np.array([3, 1, 2, 1.0]), np.array([True, True, False, False])) == 2.5 / 4


def test_auc_of_perfect_reversed_and_constant_scores():
    liked = np.arange(20) % 3 == 0
    assert auc(liked.astype(float), liked) == 1.0
    assert auc(-liked.astype(float), liked) == 0.0
    assert auc(np.full(20, 0.3), liked) == 0.5


def test_auc_of_random_scores_is_half():
    rng = np.random.default_rng(0)
    found = [auc(rng.normal(size=200), rng.random(200) < 0.3) for _ in range(200)]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / np.sqrt(200)


@pytest.mark.parametrize("one_class", [True, False])
def test_auc_is_undefined_with_one_class(one_class):
    assert np.isnan(auc(np.arange(5.0), np.full(5, one_class)))
    assert np.isnan(auc(np.zeros(0), np.zeros(0, bool)))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_auc_does_not_change_under_monotone_transforms(rows):
    scores, liked = (np.array(column) for column in zip(*rows, strict=True))
    same = auc(np.exp(2.0 * scores) - 5, liked)
    assert same == auc(scores.astype(float), liked) or np.isnan(same)


_RATING = st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans(), st.floats(0, 2, width=16))


@given(st.lists(_RATING, min_size=1, max_size=25))
def test_pair_sums_equal_enumeration(rows):
    group, scores, liked, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = pair_sums(scores.astype(float), liked, group, 3, weights.astype(float))
    for g in range(3):
        pairs = [
            (weights[i] * weights[j], float(scores[i] > scores[j]) + (scores[i] == scores[j]) / 2)
            for i, j in product(range(len(rows)), repeat=2)
            if group[i] == group[j] == g and liked[i] and not liked[j]
        ]
        assert found.total[g] == pytest.approx(sum(w for w, _ in pairs), abs=1e-9)
        assert found.concordant[g] == pytest.approx(sum(w * right for w, right in pairs), abs=1e-9)


def test_pooled_auc_without_a_user_is_the_auc_of_the_others():
    rng = np.random.default_rng(1)
    n = 120
    scores, liked = rng.integers(0, 15, n).astype(float), rng.random(n) < 0.4
    user, fold = rng.integers(0, 5, n), rng.integers(0, 3, n)
    number, without = pooled_auc(scores, liked, user, fold)
    assert number == pytest.approx(_pooled(scores, liked, fold), abs=1e-12)
    for u in range(5):
        kept = user != u
        expected = _pooled(scores[kept], liked[kept], fold[kept])
        assert without[u] == pytest.approx(expected, abs=1e-12)
    assert pooled_auc(scores, liked, user, 0 * fold)[0] == pytest.approx(auc(scores, liked))


def _pooled(scores, liked, fold):
    sums = pair_sums(scores, liked, fold, 3)
    return sums.concordant.sum() / sums.total.sum()


# --- folds --------------------------------------------------------------------------------


def test_no_image_lies_in_two_folds_and_every_user_lies_in_all(raters):
    fold = image_folds(raters.ratings, 5, seed=0)
    assert pd.Series(fold).groupby(raters.ratings.item).nunique().max() == 1
    counts = pd.crosstab(raters.ratings.user, fold).to_numpy()
    assert counts.shape == (30, 5)
    assert counts.min() >= 5  # 8 on average
    assert np.ptp(counts.sum(axis=0)) <= 30


def test_copies_of_an_image_share_a_fold():
    rows = [(f"u{k % 3}", f"i{k:02}", k % 2) for k in range(30)]
    embeddings = np.arange(30, dtype=np.float32)[:, None] // 2  # i00 and i01 are the same image
    fold = image_folds(merge_copies(table(rows), embeddings), 5, seed=0)
    assert (fold[0::2] == fold[1::2]).all()
    assert len(set(fold)) == 5


def test_no_training_sees_an_image_of_the_fold_it_predicts(raters, monkeypatch):
    seen = []

    def spy(embeddings, ratings, config):
        seen.append(set(ratings.item))
        return fit(embeddings, ratings, config.model_copy(update={"max_epochs": 1}))

    monkeypatch.setattr(crossfit, "fit", spy)
    found = crossfit.predict_held_out(raters.embeddings, raters.ratings, PRESETS["mf"])
    assert len(seen) == 5
    for k, items in enumerate(seen):
        predicted = set(found.ratings.item[found.fold == k])
        assert predicted
        assert not items & predicted
    assert np.isfinite(found.logit).all()


def test_a_rating_does_not_move_its_own_prediction(raters):
    before = crossfit.predict_held_out(raters.embeddings, raters.ratings, PRESETS["no-taste"], 3)
    changed = raters.ratings.liked.copy()
    changed[before.fold == 0] ^= True
    flipped = replace(raters.ratings, liked=changed)
    after = crossfit.predict_held_out(raters.embeddings, flipped, PRESETS["no-taste"], 3)
    same = after.logit == before.logit
    assert same[before.fold == 0].all()
    assert not same[before.fold != 0].any()


# --- leniency and taste -------------------------------------------------------------------


def test_leniency_of_two_users_has_a_closed_form():
    # v alone likes 6 images, w alone likes 2, both like one; half a win and a loss are added:
    # by symmetry of the equations worth_v = 1 / worth_w = x with (6.5) = 8 x/(x+1/x) + x/(x+1).
    rows = [("v", f"i{k}", k < 6) for k in range(8)] + [("w", f"i{k}", k >= 6) for k in range(8)]
    rows += [("v", "both", True), ("w", "both", True)]
    found = leniency.leniency(table(rows))
    x, y = np.exp(found)
    assert 8 * x / (x + y) + x / (x + 1) == pytest.approx(6.5, abs=1e-6)
    assert 8 * y / (x + y) + y / (y + 1) == pytest.approx(2.5, abs=1e-6)


def test_leniency_is_recovered_whatever_the_images():
    world = c7.simulate(replace(c7.RatersConfig(), embedding_size=2), np.random.default_rng(3))
    true = np.median(world.logits - world.logits.mean(axis=1, keepdims=True), axis=0)
    found = leniency.leniency(world.ratings)
    assert np.corrcoef(true, found)[0, 1] > 0.97
    assert np.polyfit(true, found, 1)[0] == pytest.approx(1, abs=0.1)


def test_weights_are_what_the_other_raters_say():
    # a and b each like one of x and y alone: equal leniencies, s(0) = 1/2. z: rated by a only.
    rows = [("a", "x", 1), ("b", "x", 0), ("a", "y", 0), ("b", "y", 1), ("a", "z", 1)]
    rows += [("a", "w", 1), ("b", "w", 1)]
    ratings = table(rows)
    n = len(rows)
    found = leniency.taste_weights(
        Predictions(ratings, np.zeros(n, int), np.zeros(n), np.full(n, -1.0))
    )
    assert found[:4] == pytest.approx([0.5, 0.5, 0.5, 0.5])
    assert found[4] == pytest.approx(1 / (1 + np.exp(-1)))  # the verifier says: not good
    assert found[5:] == pytest.approx([0, 0])  # all agree


@pytest.mark.parametrize("taste_sd", [0.0, 1.5])
def test_quality_has_no_taste_auc_though_its_pooled_auc_is_high(taste_sd):
    found = []
    for seed in range(3):
        config = replace(c7.RatersConfig(), embedding_size=2, taste_sd=taste_sd)
        world = c7.simulate(config, np.random.default_rng(seed))
        quality = np.median(world.logits, axis=1)
        user = world.ratings.user
        lenient = np.median(world.logits, axis=0)[user]
        found.append(_predicted(world, quality[world.ratings.item] + lenient))
    pooled = [auc(p.logit, p.ratings.liked) for p in found]
    assert min(pooled) > 0.78
    assert np.mean([np.nanmean(taste_auc(p)) for p in found]) == pytest.approx(0.5, abs=0.015)


def test_the_truth_has_a_taste_auc_where_there_is_taste():
    config = replace(c7.RatersConfig(), embedding_size=2, taste_sd=1.5)
    world = c7.simulate(config, np.random.default_rng(0))
    rated = world.ratings
    truth = _predicted(world, world.logits[rated.item, rated.user])
    assert np.nanmean(taste_auc(truth)) > 0.68
    opposite = replace(truth, logit=-truth.logit)
    assert np.nanmean(taste_auc(opposite)) == pytest.approx(1 - np.nanmean(taste_auc(truth)))


def test_taste_auc_survives_images_with_one_rater():
    # Each image rated once: the fallback. A world without taste keeps 1/2 for the true quality.
    config = replace(c7.RatersConfig(), raters=1, per_user=150, embedding_size=2)
    for taste_sd, low, high in ((0.0, 0.47, 0.53), (1.5, 0.6, 0.9)):
        world = c7.simulate(replace(config, taste_sd=taste_sd), np.random.default_rng(0))
        rated, own = world.ratings, world.logits[world.ratings.item, world.ratings.user]
        others = (world.logits.sum(axis=1)[rated.item] - own) / 209
        p = Predictions(rated, np.zeros(len(rated), int), own, others)
        assert low < np.nanmean(taste_auc(p)) < high


def _predicted(world, scores):
    n = len(world.ratings)
    return Predictions(world.ratings, np.zeros(n, int), scores, np.full(n, np.nan))


# --- the model ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", list(PRESETS))
def test_stored_arrays_predict_what_the_network_does(model):
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    network = VerifierNetwork(4, 10, PRESETS[model])
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3, generator=generator)
    embeddings = rng.normal(size=(7, 10)).astype(np.float32)
    pairs = UserItemPairs(torch.arange(4).repeat(7), torch.arange(7).repeat_interleave(4))
    expected = network(torch.from_numpy(embeddings), pairs).detach().numpy().reshape(7, 4)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    mean = rng.normal(size=10)
    found = logits({**arrays, "mean": mean, "scale": np.array(2.5)}, embeddings * 2.5 + mean)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=2e-6 * scale)


def test_the_network_is_neumf():
    # Written out for one pair: bias + linear + head . (p * P e) + h . relu(W2 relu(W1 [q; Q e])).
    config = PRESETS["neumf"].model_copy(update={"quality_first": False})
    network = VerifierNetwork(2, 5, config)
    e, user = torch.arange(5.0) / 5, 1
    w = {k: v.double() for k, v in network.state_dict().items()}
    e64 = e.double()
    gmf = w["gmf_user"][user] * (w["gmf_item.weight"] @ e64 + w["gmf_item.bias"])
    h = torch.cat([w["mlp_user"][user], w["mlp_item.weight"] @ e64 + w["mlp_item.bias"]])
    for name in ("first", "layers.0"):
        h = torch.relu(w[f"{name}.weight"] @ h + w[f"{name}.bias"])
    expected = gmf @ w["gmf_head"] + w["mlp_head.weight"][0] @ h + w["linear.bias"][0]
    found = network(e[None], UserItemPairs(torch.tensor([user]), torch.tensor([0])))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_published_preset_is_the_published_one():
    paper = PRESETS["neumf-paper"]
    assert (paper.gmf_size, paper.mlp_size, paper.hidden) == (480, 480, (128, 128))
    assert (paper.dropout, paper.weight_decay, paper.learning_rate) == (0.2, 0.01, 5e-6)
    assert (paper.optimizer, paper.batch_size, paper.weighting) == ("adam", None, "users")
    assert (paper.validation_share, paper.patience, paper.validation) == (0.1, 10, "ratings")


def test_the_published_preset_takes_one_step_per_epoch(raters):
    one, two = (
        fit(
            raters.embeddings,
            raters.ratings,
            PRESETS["neumf-paper"].model_copy(update={"max_epochs": n}),
        )
        for n in (1, 2)
    )
    assert one.losses == two.losses[:1]
    for name, value in one.weights.items():
        step = np.abs(np.asarray(two.weights[name], float) - value).max()
        assert step <= 1.1 * 5e-6, name  # one step of Adam is at most its learning rate


@pytest.mark.parametrize("model", ["mf", "neumf"])
def test_training_depends_on_nothing_but_its_input(raters, model):
    first = fit(raters.embeddings, raters.ratings, PRESETS[model])
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    try:
        torch.set_num_threads(2)
        torch.rand(3)
        again = fit(raters.embeddings, raters.ratings, PRESETS[model])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        torch.random.set_rng_state(state)
    assert first.losses == again.losses
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, again.weights[name])
    other = fit(raters.embeddings, raters.ratings, PRESETS[model].model_copy(update={"seed": 1}))
    assert other.losses != first.losses


def test_the_weights_of_the_lowest_loss_are_kept(raters):
    config = PRESETS["mf"].model_copy(update={"quality_first": False, "max_epochs": 60})
    fitted = fit(raters.embeddings, raters.ratings, config)
    best = int(np.argmin(fitted.losses))
    assert len(fitted.losses) == best + 1 + config.patience < 60
    shorter = config.model_copy(update={"max_epochs": best + 1})
    stopped = fit(raters.embeddings, raters.ratings, shorter)
    for name, value in fitted.weights.items():
        np.testing.assert_array_equal(value, stopped.weights[name])


def test_a_verifier_without_taste_gives_all_users_one_order(raters):
    fitted = fit(raters.embeddings, raters.ratings, PRESETS["no-taste"])
    scores = logits(fitted.weights, raters.embeddings)
    assert np.ptp(scores - scores[:, :1], axis=0).max() < 1e-9
    real = logits(fit(raters.embeddings, raters.ratings, PRESETS["mf"]).weights, raters.embeddings)
    assert np.ptp(real - real[:, :1], axis=0).max() > 0.1


def test_one_class_cannot_be_learned(raters):
    likes = raters.ratings.take(raters.ratings.liked)
    with pytest.raises(DataError, match="likes and dislikes"):
        fit(raters.embeddings, likes, PRESETS["mf"])


# --- in a scoring context -----------------------------------------------------------------


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=4, accuracy=1.0)


def test_the_verifier_sees_nothing_held_out(context):
    other = replace(context, world=toy_world(variant=1), _memo={})
    assert set(other.test.catalog.ids).isdisjoint(context.test.catalog.ids)
    ours, theirs = trained(context, "mf"), trained(other, "mf")
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name])


def test_stored_verifiers_score_like_fresh_ones(context, tmp_path):
    fresh = Verifier("neumf").per_unit(context)
    stored = {}

    class Loaded(type(context)):
        def instrument(self, key, make):
            path = tmp_path / f"{len(stored)}.npz"
            if str(key) not in stored:
                np.savez(path, **make())
                stored[str(key)] = path
            with np.load(stored[str(key)]) as arrays:
                return dict(arrays)

    again = Loaded(context.world, context.samples, context.pictures)
    pd.testing.assert_series_equal(Verifier("neumf").per_unit(again), fresh, check_exact=True)
    assert stored


def test_images_to_taste_score_higher_than_anybodys(context):
    random = toy_score_context(n_images=4, accuracy=1 / 6)
    own, anybody = (Verifier().per_unit(c).mean() for c in (context, random))
    assert own > anybody + 0.1


def test_the_number_is_the_mean_of_the_own_probabilities(context):
    matrix = verifier_matrix(context, "mf")
    assert matrix.shape == (len(context.samples), len(context.users))
    rows = np.flatnonzero(context.samples["user_id"] == "user-2")
    expected = matrix[rows, context.users.index("user-2")].mean()
    assert Verifier("mf").per_unit(context)["user-2"] == pytest.approx(expected, abs=1e-12)


def test_tests_permute_probabilities_by_judges_that_have_not_seen_the_likes(context):
    users = context.users[1:3]
    expected = expit(unseen_logits(context, "mf", users))
    np.testing.assert_array_equal(Verifier("mf").scores(context, users), expected)
    assert not np.allclose(expected, verifier_matrix(context, "mf")[:, 1:3], atol=1e-3)


def altered(context, interactions):
    """The context with another training log."""
    train = View(context.train.catalog, interactions.reset_index(drop=True))
    return replace(context, world=replace(context.world, train=train), _memo={})


def test_a_user_without_ratings_is_unknown(context):
    log = context.train.interactions
    cold = altered(context, log[log["user_id"] != "user-0"])
    scores = Verifier().per_unit(cold)
    assert scores.index[scores.isna()].tolist() == ["user-0"]
    assert np.isnan(VerifierUserAuc().per_unit(cold)["user-0"])
    assert np.isnan(VerifierAuc().per_unit(cold)["user-0"])


@pytest.mark.parametrize("metric", [Verifier(), VerifierAuc(), VerifierUserAuc(), TasteAuc()])
def test_likes_alone_give_no_number_and_say_so(context, metric):
    log = context.train.interactions
    implicit = altered(context, log[log["liked"]])
    assert metric.per_unit(implicit).isna().all()
    assert "no verifier" in metric.caveats(implicit)[0]
    assert metric.caveats(context) == ()


def test_the_pooled_auc_is_the_mean_over_users(context):
    found = held_out_predictions(context, "mf")
    rated = found.ratings
    number, _ = pooled_auc(found.logit, rated.liked, rated.user, found.fold)
    values = VerifierAuc().per_unit(context)
    assert values.mean() == pytest.approx(number, abs=1e-12)
    assert values.std() > 0


def test_instruments_do_not_depend_on_the_images(context):
    random = toy_score_context(n_images=2, accuracy=1 / 6, seed=5)
    for metric in (VerifierAuc(), VerifierUserAuc(), TasteAuc()):
        pd.testing.assert_series_equal(metric.per_unit(context), metric.per_unit(random))


def test_signatures_tell_verifiers_apart(context):
    found = {Verifier(model).signature(context).split("|", 1)[1] for model in PRESETS}
    assert len(found) == len(PRESETS)
    assert (
        Verifier("mf").signature(context).endswith(Verifier().signature(context)[len("verifier") :])
    )


# --- control C7 ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examined():
    """What the control finds, so that the verdict can be tried on falsified findings too."""
    kept = {}

    def keep(found):
        kept.update(found)
        return verdict(found)

    verdict = c7.judge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(c7, "judge", keep)
        result = c7.run(ControlOptions(quick=True))
    return result, kept


def test_c7_passes(examined):
    result, _ = examined
    assert result.control == "C7"
    assert result.passed, f"{result.measured} (expected {result.expected})"


@pytest.mark.parametrize(
    ("key", "other"),
    [
        (("no-taste", True), ("mf", True)),
        (("mf", True), ("no-taste", True)),
        (("mf", False), ("mf", True)),
    ],
)
def test_c7_fails_when_one_is_taken_for_the_other(examined, key, other):
    _, found = examined
    assert not c7.judge({**found, key: found[other]}).passed


def test_c7_fails_when_the_raters_are_taken_for_equally_lenient(monkeypatch):
    monkeypatch.setattr(leniency, "leniency", lambda ratings: np.zeros(len(ratings.users)))
    assert not c7.run(ControlOptions(quick=True)).passed


def test_c7_fails_when_quality_is_not_taken_out(monkeypatch):
    def plain(predictions):
        rated = predictions.ratings
        return pair_sums(predictions.logit, rated.liked, rated.user, len(rated.users)).auc

    monkeypatch.setattr(c7, "taste_auc", plain)
    assert not c7.run(ControlOptions(quick=True)).passed
