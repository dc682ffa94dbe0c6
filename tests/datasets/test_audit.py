"""The leak audit: what it finds, what it calls a leak, what it opens; and control C8."""

import numpy as np
import pandas as pd
import pytest

from persongen_bench.datasets import audit as auditing
from persongen_bench.datasets import splits
from persongen_bench.datasets.audit import AuditOptions, audit
from persongen_bench.instruments.controls import c08_planted_leaks as c08
from persongen_bench.instruments.controls.base import ControlOptions


@pytest.fixture(scope="module")
def world():
    return c08._world(np.random.default_rng(5))


def severities(report):
    return {finding.kind: finding.severity for finding in report.findings}


def test_clean_splits_have_no_leak(world):
    fractions = {
        "item": splits.by_item(0.2),
        "row": splits.by_row(0.2),
        "per-user": splits.per_user(2, 2),
        "user-disjoint": splits.user_disjoint(0.2),
        "temporal": splits.temporal(0.2),
    }
    for name, function in fractions.items():
        report = audit(world, function(world.interactions, 0))
        assert report.split == name
        assert report.leaks == ()
        assert "no leak" in str(report)


def test_severity_follows_the_promise(world):
    """The same overlap of items is normal between rows and a leak between items."""
    rows = splits.by_row(0.2)(world.interactions, 0)
    assert severities(audit(world, rows))["item-overlap"] == "info"
    claimed = type(rows)("item", 0, rows.train, rows.test)
    assert severities(audit(world, claimed))["item-overlap"] == "leak"
    users = splits.user_disjoint(0.2)(world.interactions, 0)
    assert "user-overlap" not in severities(audit(world, users))
    claimed = type(rows)("user-disjoint", 0, rows.train, rows.test)
    assert severities(audit(world, claimed))["user-overlap"] == "leak"
    # 30 motifs of four items each, items held out one by one: some motif is cut
    items = splits.by_item(0.2)(world.interactions, 0)
    assert severities(audit(world, items))["motif-overlap"] == "warning"


def test_rows_shared_by_validation_and_test(world):
    split = splits.per_user(2, 2)(world.interactions, 0)
    doubled = pd.concat([split.validation, split.test.iloc[:3]], ignore_index=True)
    bad = type(split)(split.name, 0, split.train, split.test, doubled)
    (leak,) = audit(world, bad).leaks
    assert (leak.kind, leak.count) == ("row-overlap", 3)


def test_caps_are_kept_and_said(world):
    """At most 3 + 7 pictures are opened, evenly over the ids, and the report says so."""
    split = splits.by_item(0.2)(world.interactions, 0)
    seen = []

    def progress(items, description, total=None):
        seen.append((description, total))
        return items

    report = audit(world, split, AuditOptions(max_held_out=3, max_train=7), progress)
    assert report.n_opened == 10
    assert report.n_pictures == world.interactions["item_id"].nunique()
    assert f"opened 10 of {report.n_pictures} pictures" in str(report)
    assert seen == [("auditing pictures", 1), ("auditing pictures", 1)]


def test_nearest_is_exact():
    """Against the double loop, on 8-bit rows longer than one block."""
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (9, 48)), rng.integers(0, 256, (auditing.BLOCK + 40, 48))
    place, squares = auditing._nearest(left, right)
    every = ((left[:, None] - right[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(place, every.argmin(axis=1))
    np.testing.assert_array_equal(squares, every.min(axis=1))


def test_examples_are_capped_and_counts_are_not(world):
    split = splits.by_row(0.2)(world.interactions, 0)
    report = audit(world, split, AuditOptions(n_examples=2))
    finding = next(f for f in report.findings if f.kind == "item-overlap")
    assert len(finding.examples) == 2
    both = set(split.train["item_id"]) & set(split.test["item_id"])
    assert finding.count == len(both)


def test_control_passes():
    """C8: all planted leaks of all seven kinds, no false alarm."""
    result = c08.run(ControlOptions(seed=1, quick=True))
    assert result.passed, result.measured


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_shared", lambda *_: []),
        ("_later_rows", lambda *_: []),
        ("_rows_in_two_parts", lambda *_: []),
        ("_shared_motifs", lambda *_: []),
        ("_nearest", lambda left, _: (np.zeros(len(left), int), np.full(len(left), np.inf))),
    ],
)
def test_control_can_fail(monkeypatch, name, broken):
    """An audit that is blind to one kind of leak fails the control."""
    monkeypatch.setattr(auditing, name, broken)
    assert not c08.run(ControlOptions(seed=1, quick=True)).passed


def test_control_sees_a_blind_pixel_hash(monkeypatch):
    """Copies that no longer hash alike are reported as similar only: not what was planted."""
    names = iter(range(10**9))
    monkeypatch.setattr(auditing.imaging, "pixel_hash", lambda _: str(next(names)))
    assert not c08.run(ControlOptions(seed=1, quick=True)).passed
