"""The leak audit: what it finds, what it calls a leak, what it opens; and control C8."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from persongen_bench.core import promises
from persongen_bench.core.dataset import Disjoint, Split
from persongen_bench.core.promises import Kind
from persongen_bench.datasets import audit as auditing
from persongen_bench.datasets import splits
from persongen_bench.datasets.audit import AuditOptions, audit
from persongen_bench.datasets.supports import new_people, supports
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
    claimed = replace(rows, promise=frozenset({"items"}))
    assert severities(audit(world, claimed))["item-overlap"] == "leak"
    users = splits.user_disjoint(0.2)(world.interactions, 0)
    assert "user-overlap" not in severities(audit(world, users))
    claimed = replace(rows, promise=frozenset({"users"}))
    assert severities(audit(world, claimed))["user-overlap"] == "leak"
    # 30 motifs of four items each, items held out one by one: some motif is cut
    items = splits.by_item(0.2)(world.interactions, 0)
    assert severities(audit(world, items))["motif-overlap"] == "warning"


def test_rows_that_methods_may_choose_by_are_held_to_the_promise(world):
    """Validation rows of tested items: nothing where nobody sees them, a leak where methods do."""
    clean = splits.by_item(0.2)(world.interactions, 0)
    first = clean.test.groupby("item_id").head(1).index
    validation, test = clean.test.loc[first], clean.test.drop(index=first)
    both = set(validation["item_id"]) & set(test["item_id"])
    assert both
    shown = replace(clean, validation=validation, test=test)
    assert audit(world, shown).leaks == ()
    (leak,) = audit(world, replace(shown, tuning=True)).leaks
    assert (leak.kind, leak.count) == ("item-overlap", len(both))


# What each promise makes of each kind: L a leak, w a warning, . information. From what the promises
# mean: rows never repeat; contents include items; a motif cut apart, or a picture like a
# trained one, is no breach of items and yet worth a warning there.
TABLE = """
                    -  users  items  contents  time
row-overlap         L    L      L       L       L
user-overlap        .    L      .       .       .
item-overlap        .    .      L       L       .
same-picture        .    .      L       L       .
motif-overlap       .    .      w       L       .
similar-picture     .    .      w       w       .
later-training-row  .    .      .       .       L
"""


def test_every_promise_has_its_leaks():
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    assert head[1:] == list(get_args(Disjoint))
    assert {row[0] for row in rows} == set(get_args(Kind))
    letters = {"leak": "L", "warning": "w", "info": "."}
    for kind, *expected in rows:
        made = [frozenset({name} - {"-"}) for name in head]
        assert [letters[promises.severity(kind, promise)] for promise in made] == expected


@pytest.mark.parametrize("validation", [False, True])
def test_a_third_partys_split_is_held_to_its_promise(world, validation):
    """Whatever its name, and also where the leak is in the validation part."""
    log = world.interactions
    held_out = log["item_id"].isin(["item-003", "item-007"])
    parts = (log[~held_out], log[held_out][:1], log[held_out][1:])
    split = Split("theirs", 0, *parts, promise=frozenset({"items"}))
    assert audit(world, split).leaks == ()
    leaked = (split.validation if validation else split.test).head(1)
    bad = replace(split, train=pd.concat([split.train, leaked.assign(user_id="another")]))
    (leak,) = audit(world, bad).leaks
    assert (leak.kind, leak.examples) == ("item-overlap", (leaked["item_id"].iloc[0],))
    assert audit(world, replace(bad, promise=frozenset())).leaks == ()


def test_a_cut_split_is_held_to_the_promise_of_what_it_cuts(world):
    base = new_people(0.3, 0.2)
    split = supports("cold-start", base, (4,))["cold-start@4"](world.interactions, 0)
    assert split.promise == base(world.interactions, 0).promise == {"items"}
    assert audit(world, split).leaks == ()
    leaked = split.test.head(1)
    bad = replace(split, train=pd.concat([split.train, leaked.assign(user_id="another")]))
    (leak,) = audit(world, bad).leaks
    assert (leak.kind, leak.examples) == ("item-overlap", (leaked["item_id"].iloc[0],))


def test_a_cut_of_a_temporal_split_keeps_its_order(world):
    split = supports("temporal", splits.temporal(0.2), (4,))["temporal@4"](world.interactions, 0)
    assert audit(world, split).leaks == ()
    train = split.train.assign(timestamp=world.interactions["timestamp"].max() + 1.0)
    assert [leak.kind for leak in audit(world, replace(split, train=train)).leaks] == [
        "later-training-row"
    ]


def test_rows_shared_by_validation_and_test(world):
    split = splits.per_user(2, 2)(world.interactions, 0)
    doubled = pd.concat([split.validation, split.test.iloc[:3]], ignore_index=True)
    bad = replace(split, validation=doubled)
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
    ("module", "name", "broken"),
    [
        (promises, "shared", lambda *_: []),
        (promises, "later_rows", lambda *_: []),
        (promises, "rows_in_two_parts", lambda *_: []),
        (promises, "shared_motifs", lambda *_: []),
        (auditing, "severity", lambda *_: "info"),
        (
            auditing,
            "_nearest",
            lambda left, _: (np.zeros(len(left), int), np.full(len(left), np.inf)),
        ),
    ],
)
def test_control_can_fail(monkeypatch, module, name, broken):
    """An audit that is blind to one kind of leak fails the control."""
    monkeypatch.setattr(module, name, broken)
    assert not c08.run(ControlOptions(seed=1, quick=True)).passed


def test_control_sees_a_blind_pixel_hash(monkeypatch):
    """Copies that no longer hash alike are reported as similar only: not what was planted."""
    names = iter(range(10**9))
    monkeypatch.setattr(auditing.imaging, "pixel_hash", lambda _: str(next(names)))
    assert not c08.run(ControlOptions(seed=1, quick=True)).passed
