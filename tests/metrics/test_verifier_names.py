"""What users and items are called, or where they stand, changes no number."""

from dataclasses import replace

import numpy as np
import pytest
from relabelled import renamed_context, renamed_ratings

from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.ratings import Ratings
from persongen_bench.instruments.controls import c07_no_taste_verifier as c7
from persongen_bench.metrics._rows import distinct_rows
from persongen_bench.metrics._verifier.config import PRESETS
from persongen_bench.metrics._verifier.contents import by_contents
from persongen_bench.metrics._verifier.crossfit import cross_fit
from persongen_bench.metrics._verifier.scoring import logits
from persongen_bench.metrics._verifier.training import fit
from persongen_bench.metrics.taste.taste_auc import taste_auc
from persongen_bench.testing.toy_scores import toy_score_context

SMALL = c7.RatersConfig(n_users=20, per_user=40, embedding_size=12, n_factors=6, taste_sd=1.5)
SHORT = {"max_epochs": 8}


@pytest.fixture(scope="module")
def raters():
    return c7.simulate(SMALL, np.random.default_rng(0))


def short(model):
    return PRESETS[model].model_copy(update=SHORT)


@pytest.mark.parametrize("model", list(PRESETS))
def test_the_verifier_of_a_user_does_not_depend_on_names(raters, model):
    before = logits(fit(raters.embeddings, raters.ratings, short(model)).weights, raters.embeddings)
    assert np.ptp(before[0]) > 1e-3
    for seed in range(3):
        ratings, embeddings, place = renamed_ratings(raters.ratings, raters.embeddings, seed)
        after = logits(fit(embeddings, ratings, short(model)).weights, raters.embeddings)
        np.testing.assert_allclose(after[:, place], before, rtol=0, atol=1e-9)


def test_the_weights_are_equal_bit_by_bit(raters):
    before = fit(raters.embeddings, raters.ratings, short("neumf")).weights
    ratings, embeddings, place = renamed_ratings(raters.ratings, raters.embeddings, 5)
    after = fit(embeddings, ratings, short("neumf")).weights
    for name, value in after.items():
        moved = value[place] if name in ("user_bias", "gmf_user", "mlp_user") else value
        np.testing.assert_array_equal(moved, before[name])


@pytest.mark.parametrize("model", ["mf", "neumf"])
def test_figures_of_the_verifier_do_not_depend_on_names(raters, model):
    # Four labellings gave .584 to .589 here before contents decided.
    before = cross_fit(raters.embeddings, raters.ratings, short(model)).predictions
    by_user = taste_auc(before)
    assert np.isfinite(by_user).all()
    for seed in range(2):
        ratings, embeddings, place = renamed_ratings(raters.ratings, raters.embeddings, seed)
        after = cross_fit(embeddings, ratings, short(model)).predictions
        np.testing.assert_allclose(taste_auc(after)[place], by_user, rtol=0, atol=1e-9)


def test_users_with_the_same_ratings_and_copies_of_images_are_exchangeable():
    # Users 0 and 1 rated alike; so did those without any rating of the two images that are one.
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(12, 4)).astype(np.float32)
    embeddings[7] = embeddings[3]
    liked = rng.random((5, 12)) < 0.5
    liked[1] = liked[0]
    user, item = (part.ravel() for part in np.indices(liked.shape))
    names = tuple("abcde"), tuple(f"i{k}" for k in range(12))
    ratings = Ratings(*names, user, item, liked.ravel().astype(float), liked.ravel())
    scores = logits(fit(embeddings, ratings, short("neumf")).weights, embeddings)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
    np.testing.assert_array_equal(scores[3], scores[7])
    assert np.ptp(scores[3, [0, 2, 3, 4]]) > 0
    for seed in range(3):
        moved, others, place = renamed_ratings(ratings, embeddings, seed)
        after = logits(fit(others, moved, short("neumf")).weights, embeddings)
        np.testing.assert_allclose(after[:, place], scores, rtol=0, atol=1e-9)


def test_contents_keep_every_rating(raters):
    known = by_contents(raters.embeddings, raters.ratings)
    assert known.n_kinds == 20
    given = raters.ratings
    before = {
        (given.users[u], given.items[i], bool(k))
        for u, i, k in zip(given.user, given.item, given.liked, strict=True)
    }
    ours = known.ratings
    after = {
        (ours.users[u], ours.items[i], bool(k))
        for u, i, k in zip(ours.user, ours.item, ours.liked, strict=True)
    }
    assert after == before
    rows = [given.items.index(name) for name in ours.items]
    np.testing.assert_array_equal(known.embeddings, raters.embeddings[rows])


def test_an_error_of_rounding_exchanges_no_images():
    embeddings = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    nudged = np.nextafter(embeddings, np.float32(9), dtype=np.float32)
    np.testing.assert_array_equal(distinct_rows(embeddings)[0], distinct_rows(nudged)[0])


# --- every metric --------------------------------------------------------------------------------

METRICS = [
    "verifier", "verifier@neumf", "verifier-auc", "verifier-user-auc", "taste-auc", "verifier-ece",
    "verifier-brier", "aesthetics-r2", "aesthetics-correlation", "reidentification@1-mf",
    "reidentification@1", "rank-change@top", "taste-gap@neighbour", "precision@3", "recall@3",
    "novelty", "copy-rate", "diversity", "kid@clean",
    "fd-infinity@inception/clean",
]  # fmt: skip


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=4, accuracy=0.5)


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_depends_on_names(context, name):
    metric = parse_metric(name)
    before = metric.per_unit(context)
    for seed in range(3):
        renamed, user = renamed_context(context, seed)
        after = metric.per_unit(renamed)
        expected = before.rename(index=user).reindex(after.index)
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-9)


def test_the_renaming_is_one(context):
    renamed, user = renamed_context(context, 0)
    assert sorted(user) != sorted(user.values())
    assert list(user.values()) != sorted(user.values())
    assert renamed.train.ratings.counts.tolist() == context.train.ratings.counts.tolist()
    assert replace(renamed, _memo={}).users == tuple(sorted(user.values()))
