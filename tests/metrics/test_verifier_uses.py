"""Calibration, population aesthetics, and re-identification: values with a known answer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persongen_bench.core.dataset import View
from persongen_bench.metrics._verifier import instrument
from persongen_bench.metrics.risk.reidentification import Reidentification, top_k
from persongen_bench.metrics.taste.aesthetics_r2 import (
    AestheticsCorrelation,
    AestheticsR2,
    partial_correlation,
    r_squared,
)
from persongen_bench.metrics.taste.calibration import VerifierEce, brier, ece, ece_of_perfect
from persongen_bench.testing.toy import draw
from persongen_bench.testing.toy_scores import toy_score_context


@pytest.fixture(scope="module")
def context():
    return toy_score_context(n_images=4, accuracy=1.0)


# --- calibration --------------------------------------------------------------------------


def test_brier_and_ece_by_hand():
    chances = np.repeat([0.2, 0.9], 20)
    liked = np.concatenate([np.arange(20) < 5, np.arange(20) < 14])  # 0.25 and 0.7 are liked
    assert ece(chances, liked) == pytest.approx(0.5 * 0.05 + 0.5 * 0.2)
    low = 0.25 * 0.8**2 + 0.75 * 0.2**2
    high = 0.7 * 0.1**2 + 0.3 * 0.9**2
    assert brier(chances, liked) == pytest.approx((low + high) / 2)
    assert ece(chances[:19], liked[:19]) == pytest.approx(abs(5 / 19 - 0.2))  # one bin


def test_a_calibrated_simulator_is_calibrated():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 2, 200_000)
    liked = rng.random(len(p)) < p
    assert ece(p, liked) < 0.005
    assert brier(p, liked) == pytest.approx(np.mean(p * (1 - p)), abs=0.002)
    shifted = np.clip(p + 0.1, 0, 1)
    assert ece(shifted, liked) == pytest.approx(np.mean(shifted - p), abs=0.005)


@pytest.mark.parametrize("n", [15, 60, 200])
def test_what_a_perfect_verifier_shows_on_few_ratings(n):
    rng = np.random.default_rng(n)
    found, promised = [], []
    for _ in range(800):
        p = rng.beta(2, 3, n)
        found.append(ece(p, rng.random(n) < p))
        promised.append(ece_of_perfect(p))
    assert np.mean(promised) == pytest.approx(np.mean(found), rel=0.06)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=60), st.data())
def test_the_order_of_ratings_does_not_matter(rows, data):
    chances, liked = (np.array(column) for column in zip(*rows, strict=True))
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    p = chances / 4
    assert ece(p[order], liked[order]) == pytest.approx(ece(p, liked), abs=1e-12)
    assert 0 <= ece(p, liked) <= 1


def test_equal_probabilities_share_a_bin():
    liked = np.arange(60) < 30
    assert ece(np.full(60, 0.5), liked) == ece(np.full(60, 0.5), liked[::-1]) == 0.0


def test_no_ratings_are_undefined():
    nothing = np.zeros(0), np.zeros(0, bool)
    assert np.isnan([brier(*nothing), ece(*nothing), ece_of_perfect(nothing[0])]).all()


def test_the_floor_is_printed(context):
    (text,) = VerifierEce().caveats(context)
    assert text.startswith("a perfectly calibrated verifier would show about 0.")


# --- aesthetics ---------------------------------------------------------------------------


def test_r_squared_and_what_it_is_without_each_user():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 0.01, 60)
    y = 1000 + x * 40 + rng.normal(size=60)
    owner = np.arange(60) % 7
    number, without = r_squared(x, y, owner, 8)
    assert number == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, abs=1e-10)
    for u in range(7):
        kept = owner != u
        expected = np.corrcoef(x[kept], y[kept])[0, 1] ** 2
        assert without[u] == pytest.approx(expected, abs=1e-10)
    assert without[7] == pytest.approx(number)  # has no images
    assert r_squared(3 - 2 * x, y, owner, 8)[0] == pytest.approx(number, abs=1e-10)


def test_r_squared_of_a_line_of_noise_and_of_a_constant():
    rng = np.random.default_rng(0)
    x, owner = rng.normal(size=20_000), np.zeros(20_000, int)
    assert r_squared(x, 2 - x, owner, 1)[0] == pytest.approx(1)
    assert r_squared(x, rng.normal(size=len(x)), owner, 1)[0] < 0.001
    assert np.isnan(r_squared(x, np.full(len(x), 0.1), owner, 1)[0])
    assert np.isnan(r_squared(x[:2], x[:2], owner[:2], 1)[0])


def test_partial_correlation_is_the_textbook_formula():
    rng = np.random.default_rng(0)
    z = rng.normal(size=30)
    x, y = z + rng.normal(size=30), 3 - z + 0.5 * rng.normal(size=30)
    xy, xz, yz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_correlation(x, y, z) == pytest.approx(expected, abs=1e-12)
    assert partial_correlation(y, x, 5 * z + 7) == pytest.approx(expected, abs=1e-12)


def test_partial_correlation_is_undefined_where_nothing_is_left():
    x = np.array([0.0, 1, 4, 9, 16])
    y = np.array([3.0, 1, 4, 1, 5])
    assert np.isnan(partial_correlation(x, y, 2 * x + 1))
    assert np.isnan(partial_correlation(np.ones(5), y, x))
    assert np.isnan(partial_correlation(x[:3], y[:3], y[:3] ** 2))


def test_a_verifier_without_taste_has_nothing_of_its_own(context):
    assert AestheticsCorrelation("no-taste").per_unit(context).isna().all()
    assert AestheticsCorrelation("mf").per_unit(context).notna().all()


def test_the_control_is_the_mean_over_the_other_users(context):
    rows = np.flatnonzero(context.samples["user_id"] == "user-1")
    scores = instrument.verifier_logits(context, "mf")[rows]
    beauty = context.features("aesthetic/v2")[rows, 0].astype(float)
    others = np.delete(scores, context.users.index("user-1"), axis=1).mean(axis=1)
    own = scores[:, context.users.index("user-1")]
    found = AestheticsCorrelation().per_unit(context)["user-1"]
    assert found == pytest.approx(partial_correlation(own, beauty, others), abs=1e-9)
    everybody = partial_correlation(own, beauty, scores.mean(axis=1))
    assert abs(found - everybody) > 1e-5  # so that the difference shows


def test_the_mean_over_users_is_the_number(context):
    values = AestheticsR2().per_unit(context)
    own = [
        instrument.verifier_matrix(context, "mf")[row, context.users.index(user)]
        for row, user in enumerate(context.samples["user_id"])
    ]
    beauty = context.features("aesthetic/v2")[:, 0].astype(float)
    assert values.mean() == pytest.approx(np.corrcoef(own, beauty)[0, 1] ** 2, abs=1e-9)


# --- re-identification --------------------------------------------------------------------


def test_top_k_by_hand():
    scores = np.array([[3.0, 2, 1], [3, 2, 1], [3, 2, 1], [1, 1, 0]])
    true = np.array([0, 1, 2, 1])
    assert top_k(scores, true, 1).tolist() == [1, 0, 0, 0.5]
    assert top_k(scores, true, 2).tolist() == [1, 1, 0, 1]
    assert top_k(np.zeros((2, 5)), np.array([0, 3]), 2).tolist() == [0.4, 0.4]


@pytest.mark.parametrize("argument", ["1", "1-mf"])
def test_images_to_taste_give_their_owner_away(context, argument):
    assert Reidentification.parse(argument).per_unit(context).tolist() == [1.0] * 6


@pytest.mark.parametrize("argument", ["1", "1-mf", "1-no-taste"])
def test_the_same_images_for_everybody_are_at_chance(context, argument):
    grey = tuple(draw(k % 4 / 4, 0.8, 0.05, 0) for k in context.samples["index"])
    same = replace(context, pictures=grey, _memo={})
    found = Reidentification.parse(argument).per_unit(same)
    assert found.mean() == pytest.approx(1 / 6, abs=1e-9)


def test_a_user_who_likes_everything_is_not_found_in_everything(context):
    log = context.train.interactions
    log = log.assign(liked=log["liked"] | (log["user_id"] == "user-0"))
    world = replace(context.world, train=View(context.train.catalog, log))
    found = Reidentification.parse("1-mf").per_unit(replace(context, world=world, _memo={}))
    assert found.drop("user-0").tolist() == [1.0] * 5


def test_images_for_somebody_else_point_to_somebody_else(context):
    order = np.roll(np.arange(24), 4)
    swapped = replace(context, pictures=tuple(context.pictures[k] for k in order), _memo={})
    assert Reidentification.parse("1").per_unit(swapped).tolist() == [0.0] * 6


class Plane:
    """Everybody likes one item and has one image, each a direction on a plane, in degrees."""

    users = units = ("anna", "ben", "cleo")

    def __init__(self, likes, images):
        self._likes, self._images = likes, images
        items = {user: (user,) for user in self.users}
        self.train = SimpleNamespace(liked_items=items)
        self.samples = pd.DataFrame({"unit": self.users, "user_id": self.users})

    def features(self, role):
        return directions(self._images)

    def item_features(self, role, item_ids):
        return directions([self._likes[self.users.index(item)] for item in item_ids])


def directions(degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_what_all_tastes_have_in_common_is_taken_out_of_both_sides():
    """Likes at 0, 30 and 90 degrees; their mean is the point (.622, .5).

    Seen from there they lie at -53, 0 and 141 degrees, and cleo's image of 50 degrees at 86: 55
    from her own like, 86 from ben's. Not seen from there it is 40 from hers and 20 from ben's. With
    the likes alone seen from there, anna's image of 0 degrees is 53 from her like, 0 from ben's.
    """
    context = Plane([0, 30, 90], [0, 30, 50])
    assert Reidentification.parse("1").per_unit(context).tolist() == [1.0, 1.0, 1.0]


def test_everybody_is_among_all(context):
    metric = Reidentification.parse("6")
    assert metric.per_unit(context).isna().all()
    assert metric.caveats(context) == ("top 6 of 6 users is everybody: undefined",)
    assert Reidentification.parse("3").caveats(context) == ("chance is 3/6 = 0.500",)
