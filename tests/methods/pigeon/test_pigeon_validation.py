"""The ratio, chosen on the training data; and the oracle, which is not."""

import numpy as np
import pytest
from pigeon_case import STACK, TRAIN, studio_of

from persongen_bench.core.progress import no_progress
from persongen_bench.methods.pigeon.config import RATIOS
from persongen_bench.methods.pigeon.validation import (
    MIDDLE,
    Gauge,
    Oracle,
    choose_ratio,
    own_minus_other,
)


class FixedGauge:
    """Taste rises with the ratio and agreement falls, by given amounts."""

    def __init__(self, taste, agreement):
        self.slopes = taste, agreement

    def facts(self, ratio):
        taste, agreement = self.slopes
        return {"taste": taste * ratio, "agreement": agreement * (1 - ratio**2)}


def test_own_minus_other():
    """Diagonal mean (1 + .5 + .6) / 3 = .7; the other six: 1.8 / 6 = .3."""
    table = np.array([[1.0, 0.3, 0.2], [0.4, 0.5, 0.1], [0.5, 0.3, 0.6]])
    assert own_minus_other(table) == pytest.approx(0.4)
    assert own_minus_other(table + 5) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("taste", "agreement", "ratio"),
    [(1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.5), (0.0, 0.0, 0.0)],  # r + 1 - r^2: top at .5
)
def test_the_best_mean_wins_and_the_lowest_of_equals(taste, agreement, ratio):
    chosen, table = choose_ratio(FixedGauge(taste, agreement), no_progress)
    assert chosen == ratio
    assert [row["ratio"] for row in table] == list(RATIOS)


def test_without_windows_the_middle():
    assert choose_ratio(None, no_progress) == (MIDDLE, [])


def test_references_are_strangers_validation_targets():
    with studio_of(n_drawn_windows=6) as studio:
        gauge = Gauge.of(studio, TRAIN.catalog)
        targets = {o.window.target: o.user_id for o in studio.windows.validation}
        assert len(gauge.owned) == 6
        pairs = zip(gauge.references, gauge.owned, strict=True)
        assert all(targets[item] != o.user_id for item, o in pairs)
        one, again = gauge.facts(0.3), gauge.facts(0.3)
        assert one == again
        assert set(one) == {"agreement", "taste"}
        cosines = gauge.rows(0.3) @ gauge.wanted.T
        off = cosines[~np.eye(6, dtype=bool)].mean()
        assert one["agreement"] == pytest.approx(float(np.diag(cosines).mean() - off), rel=1e-4)


def test_no_gauge_for_one_user():
    with studio_of(n_history=4) as studio:
        assert Gauge.of(studio, TRAIN.catalog) is None


def test_the_oracle_looks_at_the_metrics():
    """Three pictures: one is the history's, one the reference's, one neither."""
    likes = [TRAIN.liked_items[user][0] for user in ("user-0", "user-1", "user-3")]
    red, yellow, cyan = TRAIN.catalog.images(likes)
    oracle = Oracle(STACK.role("clip"))
    assert oracle.best([cyan, red], [red], None, red) == 1
    assert oracle.best([red, cyan, yellow], [cyan], None, cyan) == 1
    assert oracle.best([red, yellow], [], "yellow", red) == 1  # words before the picture
