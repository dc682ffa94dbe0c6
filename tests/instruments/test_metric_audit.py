"""The audit of metrics: correlations, hackers, who is fooled; and the command as a user runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

from persongen_bench import stats
from persongen_bench.cli.app import app
from persongen_bench.core.errors import RunError
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.progress import no_progress
from persongen_bench.instruments.audit import hackers
from persongen_bench.instruments.audit import page as audit_page
from persongen_bench.instruments.audit.hackers import CandidatePool, Effort, hack, manipulated
from persongen_bench.instruments.audit.metric_audit import audit, fools
from persongen_bench.instruments.audit.rows import Audit
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world

METRICS = ("true-taste", "taste-gap", "novelty", "diversity", "history-similarity")


# --- correlations -------------------------------------------------------------------------


def test_spearman_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (2, 20, 12)).astype(float)  # many ties
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(stats.spearman(a, b), expected, atol=1e-12)


def test_spearman_leaves_out_missing_pairs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 1, 9))
    a[0, 2], b[0, 5] = np.nan, np.nan
    keep = [0, 1, 3, 4, 6, 7, 8]
    expected = spearmanr(a[0, keep], b[0, keep]).statistic
    np.testing.assert_allclose(stats.spearman(a, b), expected, atol=1e-12)


def test_spearman_without_spread_or_with_two_pairs_is_undefined():
    a = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 2.0, np.nan, np.nan]])
    assert np.isnan(stats.spearman(a, np.arange(8.0).reshape(2, 4))).all()


def test_a_monotone_image_of_the_truth_is_a_perfect_metric():
    truth = np.random.default_rng(2).random((6, 15))
    assert stats.correlation_over_users(np.exp(truth), truth, 50) == pytest.approx(np.ones(51))
    assert stats.correlation_over_methods(3 * truth - 1, truth, 50) == pytest.approx(np.ones(51))
    assert stats.correlation_over_methods(-truth, truth, 50) == pytest.approx(-np.ones(51))


def test_noise_correlates_with_nothing_and_the_interval_says_so():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        truth, noise = rng.random((2, 1, 40))
        low, high = np.quantile(stats.correlation_over_users(noise, truth, 200)[1:], [0.025, 0.975])
        covered += low <= 0 <= high
    assert covered >= 51  # 95% intervals: 57 of 60 expected, fewer than 51 with p < 0.01


def test_methods_without_values_do_not_count():
    truth = np.random.default_rng(4).random((5, 10))
    measured = truth.copy()
    measured[3] = np.nan
    assert stats.correlation_over_methods(measured, truth, 5)[0] == pytest.approx(1.0)
    measured[1:] = np.nan
    assert np.isnan(stats.correlation_over_methods(measured, truth, 5)).all()


# --- hackers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_world(WorldRef("dsprites", "sprites", {"n_images": 400}))


@pytest.fixture(scope="module")
def pool(world):
    return CandidatePool(
        world, world.requests("controlled", 4, 10), Effort(n_items=12, n_manipulated=8, n_own=4)
    )


@pytest.fixture(scope="module")
def made(pool):
    return hack(pool, [parse_metric(name) for name in METRICS], 4)


def mean_of(pool, choices, name):
    return float(parse_metric(name).per_unit(pool.evaluation(choices)).mean())


@pytest.mark.parametrize("name", METRICS)
def test_hacker_beats_a_blind_choice_on_its_own_metric(pool, made, name):
    blind = {user: own[:4] for user, own in pool.candidates.items()}
    assert mean_of(pool, made[name], name) > mean_of(pool, blind, name)


def test_hacking_the_truth_is_the_best_there_is(pool, made):
    reached = {name: mean_of(pool, choices, "true-taste") for name, choices in made.items()}
    assert max(reached, key=reached.get) == "true-taste"


def test_the_same_effort_makes_the_same_images(world, pool, made):
    again = CandidatePool(world, world.requests("controlled", 4, 10), pool.effort)
    assert hack(again, [parse_metric("novelty")], 4)["novelty"] == made["novelty"]


def test_two_requests_of_one_user_keep_their_own_candidates(world):
    first = world.requests("controlled", 2, 6)[3]
    second = replace(first, history=first.history[:1], request_id="")
    own = CandidatePool(world, [first, second], Effort(n_items=2, n_manipulated=0, n_own=3))
    choices = hack(own, [parse_metric("history-similarity")], 1)["history-similarity"]
    assert set(choices) == {first.request_id, second.request_id}
    seen = own.evaluation(choices)
    assert seen.units == (first.user_id,)
    # A single history picture, given back, is as near to the history as can be.
    ((image,),) = ([own.pictures[digits]] for digits in choices[second.request_id])
    (kept,) = world.train.catalog.images(second.history)
    assert pixel_hash(image) == pixel_hash(kept)


def test_candidates_hold_no_held_out_picture(pool, world):
    hidden = set(world.dataset.catalog.ids) - set(world.train.catalog.ids)
    held_out = {pixel_hash(image) for image in world.dataset.catalog.images(sorted(hidden))}
    known = {pixel_hash(image) for image in world.train.catalog.images(world.train.catalog.ids)}
    assert not {h for own in pool.candidates.values() for h in own} & (held_out - known)


@pytest.mark.parametrize("kind", range(8))
def test_every_manipulation_changes_the_picture_and_keeps_its_form(kind):
    rng = np.random.default_rng(kind)
    image = rng.integers(0, 256, (3, 24, 40), dtype=np.uint8)
    changed = manipulated(image, kind, np.random.default_rng(0))
    assert (changed.shape, changed.dtype) == (image.shape, image.dtype)
    assert not np.array_equal(changed, image)


def test_fooled_means_above_on_the_metric_and_below_in_truth():
    rng = np.random.default_rng(5)
    high, low = 1 + 0.1 * rng.random(20), 0.1 * rng.random(20)
    assert fools({"h": high, "m": low}, {"h": low, "m": high}, "h", "m")
    assert not fools({"h": high, "m": low}, {"h": high, "m": low}, "h", "m")  # a better method
    assert not fools({"h": low, "m": high}, {"h": low, "m": high}, "h", "m")  # not taken in
    assert not fools({"h": high, "m": high}, {"h": low, "m": high}, "h", "m")  # a tie
    # each of 20 users by .9 or more: 1 + .1 u against .1 u', t above 90, p about 1e-26
    assert fools({"h": high, "m": low}, {"h": low, "m": high}, "h", "m", alpha=1e-15)
    assert not fools({"h": high, "m": low}, {"h": low, "m": high}, "h", "m", alpha=1e-45)


# --- the command --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory, world):
    folder = tmp_path_factory.mktemp("audited")
    protocol = Terms("controlled", "controlled", METRICS, 4, 10)
    for name, anchor in (
        ("nearest-item", False), ("random-item", False), ("copy-history", True), ("oracle", True),
    ):  # fmt: skip
        run(Job(world, protocol, MethodChoice(name), anchor=anchor), folder)
    return folder


@pytest.mark.slow
def test_audit_puts_the_truth_first_and_writes_its_page(runs, tmp_path, monkeypatch):
    less = partial(Effort, n_items=12, n_manipulated=8, n_own=4, n_sets=12)
    monkeypatch.setattr(hackers, "Effort", less)
    words = ["audit", "metrics", "--runs", str(runs), "--board", "controlled", "--output"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    found = Audit.model_validate(json.loads((tmp_path / "page" / audit_page.NUMBERS).read_text()))
    rows = {row.metric: row for row in found.rows}
    assert rows["true-taste"].over_methods.value == pytest.approx(1.0)
    assert rows["true-taste"].fooled_by == ()
    assert found.hackers["true-taste"] == max(found.hackers.values())
    assert "true-taste" in done.stdout
    page = (tmp_path / "page" / audit_page.PAGE).read_text()
    for row in found.split()[0]:
        assert f"| `{row.metric}` |" in page
    for picture in (audit_page.RANKS, audit_page.FOOLED):
        assert (tmp_path / "page" / picture).read_bytes().startswith(b"\x89PNG")
        assert picture in page
    _draws_who_is_fooled(found, tmp_path)


def _draws_who_is_fooled(found, folder):
    """One metric by the oracle, and none: both are drawn, and differ."""
    shown = found.split()[0][0].metric
    drawn = []
    for who in ((), ("oracle",)):
        rows = [row.model_copy(update={"fooled_by": who if row.metric == shown else ()})
                for row in found.rows]  # fmt: skip
        audit_page.draw_fooled(found.model_copy(update={"rows": tuple(rows)}), folder / "a.png")
        drawn.append((folder / "a.png").read_bytes())
    assert drawn[0] != drawn[1]


def test_no_runs_is_a_clear_error(tmp_path):
    with pytest.raises(RunError, match="no complete run of board tasteworld"):
        audit(tmp_path, "tasteworld", Effort(), no_progress)
