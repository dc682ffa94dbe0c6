"""Rank change: hand-derived ranks, the laws of a substitution, and the ranker behind it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.metrics._ranker import (
    Ranker,
    RankerConfig,
    RatedItems,
    fit_ranker,
    open_ranker,
    ratings_of,
)
from persongen_bench.metrics._substituted import SEED, Move, moves_by, open_judge
from persongen_bench.metrics.taste.rank_change import (
    CHOICES,
    RankChange,
    _log,
    all_moves,
    ranker_auc,
)
from persongen_bench.rankers.ranks import midrank, top_weight
from persongen_bench.testing.metrics import MetricContract
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

FORMS = ("top", "raw", "log")
JUDGES = ("micro", "vbpr")


class TestTop(MetricContract):
    metric = RankChange
    argument = "top"


class TestRaw(MetricContract):
    metric = RankChange
    argument = "raw"


class TestLog(MetricContract):
    metric = RankChange
    argument = "log"


class TestMicro(MetricContract):
    metric = RankChange
    argument = "micro"


class TestVbpr(MetricContract):
    metric = RankChange
    argument = "vbpr"


class TestVbprLog(MetricContract):
    metric = RankChange
    argument = "vbpr.log"


# --- ranks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "rank"),
    [(5.0, 1.0), (3.0, 1.5), (2.0, 2.0), (1.0, 3.0), (0.0, 4.0)],
)
def test_midrank_by_hand(score, rank):
    # Among 3, 1 and 1: a score of 1 shares the places 2, 3 and 4 with the other two.
    assert midrank(score, np.array([1.0, 3.0, 1.0])) == [rank]


def test_top_weight_by_hand():
    assert [top_weight(r) for r in (1, 3, 7)] == [1.0, 0.5, 1 / 3]


scores = st.integers(-5, 5).map(float)
many = st.lists(scores, min_size=1, max_size=20)


@given(scores, scores, many, many)
def test_laws_of_a_substitution(old, new, others, more):
    ranked = np.array(others)
    before, after = (float(midrank(s, ranked)[0]) for s in (old, new))
    assert (after <= before) if new >= old else (after >= before)
    best, *_ = midrank(max(others), ranked)
    assert best <= before or old > max(others)
    # Items that rank below both change nothing.
    below = np.array([min(old, new) - 1 - abs(m) for m in more])
    longer = np.concatenate([ranked, below])
    assert [midrank(s, longer)[0] for s in (old, new)] == [before, after]


# --- the metric ----------------------------------------------------------------------------


class Shown(ToyScores):
    """Toy scores whose requests have no reference."""

    @property
    def requests(self):
        return {s: replace(r, reference=None) for s, r in super().requests.items()}


def showing(choose, kind=ToyScores):
    """Every user is shown the items that ``choose(context, user)`` names, one per image."""
    base = toy_score_context(n_images=2)
    ids = {user: choose(base, user) for user in base.users}
    order = base.samples.groupby("user_id").cumcount()
    chosen = [ids[user][k] for user, k in zip(base.samples["user_id"], order, strict=True)]
    return kind(base.world, base.samples, tuple(base.item_images(chosen)))


def reference(context, user):
    return [context.test.liked_items[user][0]] * 2


def best_liked(context, user):
    """The item that the ranker puts first of all that are ranked for the user."""
    ranker = open_ranker(context, RankerConfig())
    own = set(context.train.interactions.query("user_id == @user")["item_id"])
    ids = [i for i in context.test.catalog.ids if i not in own]
    scored = ranker.score(
        context.train.users.index(user), context.item_features("judge_encoder", ids)
    )
    return [ids[int(np.argmax(scored))]] * 2


@pytest.mark.parametrize("form", FORMS)
def test_the_original_picture_changes_nothing(form):
    assert (RankChange(form).per_unit(showing(reference)) == 0.0).all()


class TwoRequests(ToyScores):
    """Every user's image k answers a request for the user's k-th held-out like."""

    @property
    def requests(self):
        likes = {
            sample: self.test.liked_items[user][k]
            for sample, user, k in self.samples[["sample_id", "user_id", "index"]].to_numpy()
        }
        return {s: replace(r, reference=likes[s]) for s, r in super().requests.items()}


@pytest.mark.parametrize("form", FORMS)
def test_every_request_has_its_own_target(form):
    # The originals of both references; with one reference for both, one image would be another's.
    both = showing(lambda context, user: context.test.liked_items[user][:2], TwoRequests)
    one = showing(lambda context, user: context.test.liked_items[user][:2])
    assert (RankChange(form).per_unit(both) == 0.0).all()
    assert (RankChange(form).per_unit(one) != 0.0).any()


@pytest.mark.parametrize("form", FORMS)
def test_the_best_liked_picture_never_harms(form):
    values = RankChange(form).per_unit(showing(best_liked))
    assert (values >= 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_planted_taste_climbs(form):
    metric = RankChange(form)
    personal, blind = (metric.per_unit(toy_score_context(12, a)).mean() for a in (1, 1 / 6))
    assert personal > blind + 0.2


def test_without_references_every_held_out_like_is_a_target():
    context = showing(reference, Shown)
    moves = all_moves(context, RankerConfig())
    likes = context.test.liked_items["user-0"]
    assert len(moves["user-0"]) == 2 * len(likes) == 6
    ranker = open_ranker(context, RankerConfig())
    ids = context.test.catalog.ids  # in the toy world everybody has rated all training items
    scored = dict(
        zip(ids, ranker.score(0, context.item_features("judge_encoder", ids)), strict=True)
    )
    expected = []
    for target in likes:
        others = np.array([s for i, s in scored.items() if i != target])
        old, new = (float(midrank(scored[i], others)[0]) for i in (target, likes[0]))
        expected += [top_weight(new) - top_weight(old)] * 2
    value = RankChange("top").per_unit(context)["user-0"]
    assert value == pytest.approx(np.mean(expected))
    assert value != 0


def test_raw_is_the_median_of_places_gained():
    context = toy_score_context()
    moves = all_moves(context, RankerConfig())
    for user, value in RankChange("raw").per_unit(context).items():
        assert value == np.median([move.old - move.new for move in moves[user]])


def test_only_items_outside_the_own_training_set_are_ranked():
    context = toy_score_context()
    n_candidates = len(context.test.catalog)  # everybody has rated all training items
    ranks = [r for moves in all_moves(context, RankerConfig()).values() for m in moves for r in m]
    assert max(ranks) <= n_candidates
    assert max(ranks) > n_candidates / 2


def with_training(context, change):
    train = context.world.train
    view = View(train.catalog, change(train.interactions).reset_index(drop=True))
    return ToyScores(replace(context.world, train=view), context.samples, context.pictures)


def test_a_user_without_training_ratings_is_undefined():
    context = with_training(toy_score_context(), lambda log: log[log["user_id"] != "user-3"])
    values = RankChange("top").per_unit(context)
    assert values.index[values.isna()].tolist() == ["user-3"]


def test_a_blind_ranker_is_said():
    # Nobody likes anything: every score is the same, and a held-out like is above another item
    # with probability one half.
    context = with_training(toy_score_context(), lambda log: log.assign(liked=False))
    assert ranker_auc(context, RankerConfig()) == pytest.approx(0.5)
    (warning,) = RankChange("top").caveats(context)
    assert "0.50 only" in warning
    assert RankChange("top").caveats(toy_score_context()) == ()


# --- rankers of the room -------------------------------------------------------------------


@pytest.mark.parametrize("name", CHOICES)
def test_printed_forms_parse_to_themselves(name):
    assert RankChange.parse(name).info.name == f"rank-change@{name}"


def test_other_arguments_are_refused():
    with pytest.raises(ConfigError, match=r"needs a form or a ranker, found 'micro\.top'"):
        RankChange.parse("micro.top")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("judge", JUDGES)
def test_by_a_judge_the_original_picture_changes_nothing(judge, form):
    assert (RankChange(form, judge).per_unit(showing(reference)) == 0.0).all()


@pytest.mark.parametrize("judge", JUDGES)
def test_by_a_judge_every_request_has_its_own_target(judge):
    both = showing(lambda context, user: context.test.liked_items[user][:2], TwoRequests)
    one = showing(lambda context, user: context.test.liked_items[user][:2])
    assert (RankChange("top", judge).per_unit(both) == 0.0).all()
    assert (RankChange("top", judge).per_unit(one) != 0.0).any()


@pytest.mark.parametrize("judge", JUDGES)
def test_by_a_judge_ranks_are_those_of_the_ranker(judge):
    # One user and one image, the ranker asked directly: items that the user has not rated.
    context = toy_score_context()
    ranker, user = open_judge(context, judge), context.users[0]
    (row, *_) = np.flatnonzero(context.samples["user_id"] == user)
    target = ranker.data.item_row[context.test.liked_items[user][0]]
    feature = context.features("judge_encoder")[[row]]
    new = ranker.substitute([ranker.data.user_row[user]], [target], feature)
    seen = set(context.train.interactions.query("user_id == @user")["item_id"])
    ranked = [i for k, i in enumerate(ranker.data.items) if i not in seen and k != target]
    kept = np.array([new.items[0, ranker.data.item_row[i]] for i in ranked])
    assert moves_by(context, judge)[user][0].new == midrank(new.target[0], kept)[0]


def test_by_the_smooth_judge_planted_taste_climbs():
    metric = RankChange("top", "vbpr")
    personal, blind = (metric.per_unit(toy_score_context(12, a)).mean() for a in (1, 1 / 6))
    assert personal > blind + 0.1


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judge_says_that_it_is_blind(judge):
    context = with_training(toy_score_context(), lambda log: log.assign(liked=False))
    metric = RankChange("top", judge)
    (warning,) = metric.caveats(context)
    assert "0.50 only" in warning
    assert metric.per_unit(context).isna().all()


def test_a_judge_without_references_follows_the_first_held_out_like():
    with_reference, without = showing(reference), showing(reference, Shown)
    for context in (with_reference, without):
        assert (RankChange("raw", "vbpr").per_unit(context) == 0.0).all()


def test_the_log_form_by_hand():
    # From 7th to 3rd: log2(8 / 4) = 1; from 1st to 3rd: log2(2 / 4) = -1; their mean is 0.
    assert _log([Move(7, 3)]) == 1.0
    assert _log([Move(7, 3), Move(1, 3)]) == 0.0


def test_no_run_has_the_seed_of_the_judge():
    assert SEED > 2**32


# --- the ranker ----------------------------------------------------------------------------


def test_the_ranker_solves_its_least_squares():
    # The same normal equations as rows of one stacked system, solved by numpy.
    rng, config = np.random.default_rng(0), RankerConfig(4, 0.1, 2.0)
    pictures = rng.normal(size=(30, 6))
    ratings = [
        RatedItems(rng.choice(30, 8, replace=False), (rng.random(8) < 0.5).astype(float))
        for _ in range(3)
    ]
    ranker = fit_ranker(pictures, ratings, config)
    x = ranker.project(pictures)
    weights, targets = np.full((3, 30), np.sqrt(0.1)), np.zeros((3, 30))
    for u, (rows, liked) in enumerate(ratings):
        weights[u, rows], targets[u, rows] = 1.0, liked
    pull = np.sqrt(2.0) * np.eye(5)
    stacked = [weights[u][:, None] * x for u in range(3)]
    aims = [weights[u] * targets[u] for u in range(3)]
    common = np.linalg.lstsq(np.vstack([*stacked, pull]), np.concatenate([*aims, np.zeros(5)]))[0]
    for u in range(3):
        a, b = np.vstack([stacked[u], pull]), np.concatenate([aims[u], pull @ common])
        np.testing.assert_allclose(ranker.tastes[u], np.linalg.lstsq(a, b)[0], atol=1e-12)


def test_the_projection_has_total_variance_one():
    pictures = np.random.default_rng(1).normal(size=(50, 8))
    rated = [RatedItems(np.arange(3), np.ones(3))]
    x = fit_ranker(pictures, rated, RankerConfig(8)).project(pictures)
    assert x[:, :-1].var(axis=0).sum() == pytest.approx(1.0)
    assert (x[:, -1] == 1).all()
    np.testing.assert_allclose(x[:, :-1].mean(axis=0), 0, atol=1e-12)


def test_equal_pictures_tie():
    ranker = Ranker(np.zeros(2), np.eye(2), np.array([[0.3, 0.1, 0.0]]))
    pictures = np.array([[1.0, 2.0], [10.0, 20.0 + 1e-10], [2.0, 1.0]])
    first, second, third = ranker.score(0, pictures)
    assert first == second
    assert first != third


def test_ratings_follow_the_order_of_users():
    context = toy_score_context()
    ids = sorted(context.train.catalog.ids)
    for user, rated in zip(context.train.users, ratings_of(context.train, ids), strict=True):
        liked = {ids[row] for row, like in zip(*rated, strict=True) if like}
        assert liked == set(context.train.liked_items[user])


def test_the_ranker_recovers_planted_taste():
    assert ranker_auc(toy_score_context(), RankerConfig()) > 0.85
