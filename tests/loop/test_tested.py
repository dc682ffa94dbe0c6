"""The tests that `--permute` asks for: a plain loop over permutations, to the last count."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from run_case import make_config

from persongen_bench import stats
from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.types import content_hash
from persongen_bench.loop import tested
from persongen_bench.loop.taste_instruments import Instrument

USERS = tuple(f"user-{k}" for k in range(7))
N_IMAGES = (3, 4, 4, 2, 3, 5, 3)
OWNERS = np.repeat(np.arange(7), N_IMAGES)
"""Canonical order is by user; within a user the index falls."""
INDEX = np.concatenate([np.arange(n)[::-1] for n in N_IMAGES])
SCORES = np.clip(np.random.default_rng(0).random((24, 7)) + 0.05 * np.eye(7)[OWNERS], 0, 1)


class Table:
    """Scores every image for every user by a table."""

    info = MetricInfo("table", "taste", "higher", (-1.0, 1.0), "points", "chosen")

    def __init__(self, scores=SCORES):
        self._scores = scores

    def signature(self, context):
        return f"table|{content_hash(self._scores.tolist())}"

    def scores(self, context, users):
        return self._scores[:, [USERS.index(user) for user in users]]


@pytest.fixture
def tables(monkeypatch):
    """Instruments by name; a test may add some."""
    known = {"table": Table(), "lower": Table(SCORES[::-1].copy())}
    monkeypatch.setattr(
        tested, "open_instrument", lambda said: Instrument(said, known[said], known[said])
    )
    return known


def evaluation(unit="user"):
    users = [USERS[k] for k in OWNERS]
    return SimpleNamespace(
        samples=pd.DataFrame({"unit": users, "user_id": users, "index": INDEX}),
        users=USERS, unit=unit, memo=lambda key, make: make(),
    )  # fmt: skip


def asked(*permute, images=None, **changes):
    config = make_config(permute=permute, permute_images=images, **changes)
    return tested.asked_tests(evaluation(), config)


def by_hand(test, score, n):
    """``(observed, statistics of all permutations)`` by scoring every permutation anew."""
    dice = int(content_hash(make_config().dice, "permutation", "table", test), 16)
    drawn = stats.draw_permutations(np.random.default_rng(dice), 1000, n)
    return score(np.arange(n)), np.array([score(row) for row in drawn])


def require_equal(summary, observed, values):
    k = np.count_nonzero(values >= observed - 1e-10)
    assert 0 < k < 1000
    assert summary.p_value == (1 + k) / 1001
    assert summary.statistic == pytest.approx(observed, abs=1e-12)
    assert summary.null.mean == pytest.approx(values.mean(), abs=1e-12)
    assert summary.null.sd == pytest.approx(values.std(), abs=1e-12)
    assert summary.z == pytest.approx((observed - values.mean()) / values.std(), abs=1e-9)
    assert sum(summary.null.counts) == 1000
    assert summary.instrument == "table"
    assert summary.signature == Table().signature(None)


READINGS = {
    "image": (np.mean, np.median, "median of users' means"),
    "image-medians": (np.median, np.median, "median of users' medians"),
    "image-mean": (np.mean, np.mean, "mean of users' means"),
}
"""Algorithm 2, section 4.5 of paper 001, and the plain mean: over images, then over users."""


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("name", READINGS)
def test_the_image_test_is_a_plain_loop_over_permutations(tables, name, most):
    of_images, of_users, reading = READINGS[name]
    kept = np.full(24, True) if most is None else most > INDEX
    scores, owners = SCORES[kept], OWNERS[kept]

    def score(images):
        own = [scores[image, owner] for image, owner in zip(images, owners, strict=True)]
        by_user = [[s for s, o in zip(own, owners, strict=True) if o == u] for u in range(7)]
        return of_users([of_images(each) for each in by_user])

    made = asked("table", images=most)[f"permutation.{name}@table"]
    require_equal(made, *by_hand("image", score, len(owners)))
    assert made.reading == reading
    assert made.n_images == len(owners) == (24 if most is None else 14)


@pytest.mark.parametrize("most", [None, 2])
def test_the_block_test_is_a_plain_loop_over_permutations(tables, most):
    kept = np.full(24, True) if most is None else most > INDEX
    _, left = stats.residual_table(lambda users: SCORES[kept][:, users], OWNERS[kept], 7)
    made = asked("table", images=most)["permutation.block@table"]
    observed = by_hand("block", lambda sets: np.mean([left[u, sets[u]] for u in range(7)]), 7)
    require_equal(made, *observed)
    assert made.n_images == kept.sum()


def test_every_instrument_has_tests_of_its_own_and_none_moves_another(tables):
    alone, both = asked("table"), asked("lower", "table", "table")
    names = {"block", *READINGS}
    assert set(alone) == {f"permutation.{name}@table" for name in names}
    assert set(both) == set(alone) | {f"permutation.{name}@lower" for name in names}
    assert {key: both[key] for key in alone} == alone
    assert both["permutation.block@lower"] != alone["permutation.block@table"]


def test_runs_draw_apart_and_moved_code_does_not(tables):
    one = asked("table")
    assert asked("table", seed=1)["permutation.block@table"].null != one[
        "permutation.block@table"].null  # fmt: skip
    assert asked("table", code="moved about") == one


def test_nothing_asked_nothing_tested(tables):
    assert asked() == {}
    config = make_config(permute=("table",))
    assert tested.asked_tests(evaluation(unit="prompt"), config) == {}


def test_who_cannot_be_judged_takes_no_part(tables):
    scores = SCORES.copy()
    scores[:, 1:] = np.nan
    tables["blind"] = Table(scores)
    assert asked("blind") == {}  # one user alone
    scores = SCORES.copy()
    scores[:, 2] = np.nan
    tables["half"] = Table(scores)
    assert {test.n_images for test in asked("half").values()} == {24 - N_IMAGES[2]}


def test_a_table_too_large_for_memory_has_no_image_test(tables, monkeypatch):
    monkeypatch.setattr(tested, "LARGEST_IMAGE_TEST", 24 * 7 - 1)
    assert set(asked("table")) == {"permutation.block@table"}


def test_of_a_default_test_the_null_and_the_instrument_are_kept():
    made = tested.permutation_tests(evaluation(), [Table()], np.random.default_rng(0))
    assert {test.instrument for test in made.values()} == {"table"}
    assert made["permutation.image"].reading == READINGS["image"][2]
    assert all(test.null is not None and test.n_images == 24 for test in made.values())
