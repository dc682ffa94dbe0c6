"""Copies are found by the loop itself: held-out pictures, training pictures, and neither."""

import json

import numpy as np
import pandas as pd
import pytest
from changed_pictures import CHANGES, changed
from patterned_world import HIDDEN, N_HIDDEN, N_SHOWN, SHOWN, pattern, patterned_world, shows
from scipy.stats import binom

from persongen_bench.core.errors import RunError
from persongen_bench.loop import copy_pool
from persongen_bench.loop.copies import (
    COLUMNS,
    DOCUMENT,
    LINES,
    Copies,
    Repeats,
    read_copies,
    write_copies,
)
from persongen_bench.loop.copying import p_value, record_copies, search

N = 40
HIDDEN_PICTURES = [pattern(1000 + k) for k in range(N_HIDDEN)]
FRESH = [pattern(5000 + k) for k in range(N)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def world():
    return patterned_world()


def mixed(share, name="none"):
    """Fresh pictures, and so large a share of held-out ones after the changes of that name."""
    n = round(share * N)
    copies = [changed(HIDDEN_PICTURES[k % N_HIDDEN], name, k) for k in range(n)]
    return copies + FRESH[n:]


@pytest.mark.parametrize("name", CHANGES)
def test_held_out_pictures_are_found_after_any_change(world, name):
    copies, lines = search(shows(world, mixed(0.5, name)))
    assert copies.of_held_out
    assert not copies.of_training
    found = copies.held_out.n_images / (N / 2)
    assert (0.5 if name == "all" else 0.9) <= found <= 1
    assert (lines["copy_of"] == "held-out").sum() == copies.held_out.n_images
    assert list(lines) == list(COLUMNS)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_small_share_is_enough(world, share):
    copies, _ = search(shows(world, mixed(share, "noise + shift + jpeg")))
    assert copies.of_held_out


def test_fresh_pictures_are_nobody_s_copies(world):
    copies, lines = search(shows(world, FRESH))
    assert not copies.of_held_out
    assert not copies.of_training
    assert copies.held_out.n_images == copies.training.n_images == 0
    assert (lines["copy_of"] == "").all()
    assert (copies.n_images, copies.n_held_out, copies.n_training) == (N, N_HIDDEN, N_SHOWN)
    assert np.isfinite(lines[list(COLUMNS[1:5])].to_numpy()).all()


@pytest.mark.parametrize("name", ["none", "all"])
def test_training_pictures_are_said_to_be_such(world, name):
    shown = [changed(pattern(k), name, k) for k in range(N)]
    copies, _ = search(shows(world, shown))
    assert copies.of_training
    assert not copies.of_held_out
    assert copies.held_out.n_images == 0


def test_twins_in_the_data_are_no_evidence():
    """Of what both parts hold, a copy may be one of the training picture: equally near."""
    world = patterned_world(twins=20)
    copies, _ = search(shows(world, [pattern(k % 20) for k in range(N)]))
    assert (copies.held_out.n_images, copies.training.n_images) == (0, N)
    assert copies.held_out.n_null_repeats == 20  # a fresh picture is as often a held-out one


def test_one_picture_for_everybody_met_by_chance_is_none(world):
    """Thirty times the same is one event: chance is that of one picture, of 60 seen."""
    copies, _ = search(shows(world, [HIDDEN_PICTURES[0]] * 30))
    assert copies.held_out.n_images == 30
    assert copies.held_out.n_repeated == 1
    assert copies.held_out.p_value == pytest.approx(0.5 / 61)  # mean of Jeffreys' posterior
    assert not copies.of_held_out


def test_the_own_reference_is_no_copy(world):
    """What the request shows may be shown again; what it shows to somebody else may not."""
    pictures = [changed(HIDDEN_PICTURES[k % N_HIDDEN], "noise", k) for k in range(N)]
    own, _ = search(shows(world, pictures, lambda k: HIDDEN[k % N_HIDDEN]))
    other, _ = search(shows(world, pictures, lambda k: HIDDEN[(k + 1) % N_HIDDEN]))
    assert own.held_out.n_images == own.training.n_images == 0
    assert other.of_held_out


def test_answers_that_are_no_pictures_are_not_searched(world):
    lists = shows(world, FRESH[:3])
    lists.all_samples["pixel_hash"] = ""
    copies, lines = search(lists)
    assert copies.nothing == "the answers are no pictures"
    assert lines is None
    assert not copies.of_held_out


def test_the_pictures_of_a_world_are_opened_once(world, monkeypatch):
    first = copy_pool.pool_of(world)
    monkeypatch.setattr(copy_pool, "_looked_at", lambda *_: pytest.fail("opened again"))
    again = copy_pool.pool_of(world)
    assert (first.small_shown == again.small_shown).all()
    assert first.hidden == sorted(HIDDEN)
    assert first.shown == sorted(SHOWN)


def test_of_many_pictures_some_are_opened(world, monkeypatch):
    monkeypatch.setattr(copy_pool, "MOST", 10)
    assert len(copy_pool.pool_of(world).shown) == 10


@pytest.mark.parametrize(
    ("k", "n", "k_null", "n_null"), [(3, 100, 5000, 10**7), (40, 100, 3000, 10_000)]
)
def test_with_much_data_chance_is_binomial(k, n, k_null, n_null):
    expected = binom.sf(k - 1, n, (k_null + 0.5) / (n_null + 1))
    assert p_value(k, n, k_null, n_null) == pytest.approx(expected, rel=0.35)


def test_nothing_repeated_is_certain():
    assert p_value(0, 50, 0, 100) == 1


def repeats(n_images, p):
    return Repeats(n_images=n_images, n_repeated=1, n_null=9, n_null_repeats=0, p_value=p)


@pytest.mark.parametrize(
    ("n", "p", "marked"), [(2, 1e-3, True), (1, 1e-9, False), (9, 2e-3, False)]
)
def test_a_mark_needs_evidence_and_a_share(n, p, marked):
    assert Copies(n_images=100, held_out=repeats(n, p)).of_held_out is marked
    assert Copies(n_images=100, training=repeats(n, p)).of_training is marked


def test_files_are_read_as_they_were_written(tmp_path, world):
    assert read_copies(tmp_path) is None
    copies, lines = search(shows(world, mixed(0.5)))
    write_copies(tmp_path, copies, lines)
    assert read_copies(tmp_path) == copies
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / LINES), lines)
    write_copies(tmp_path, Copies(nothing="no pictures"), None)
    assert not (tmp_path / LINES).exists()
    assert not any(item in (tmp_path / DOCUMENT).read_text() for item in HIDDEN + SHOWN)


def test_a_damaged_document_is_named(tmp_path):
    (tmp_path / DOCUMENT).write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(RunError, match=DOCUMENT):
        read_copies(tmp_path)


def test_lines_have_the_names_of_the_directory(tmp_path, world):
    """Pseudonyms are no names of the data, and their order tells nothing of it."""

    class Veil:
        @staticmethod
        def sample(name):
            return f"s{name[::-1]}"

    directory = type("Directory", (), {"path": tmp_path, "veil": Veil})
    shown = shows(world, mixed(0.5))
    copies = record_copies(directory, shown)
    names = pd.read_parquet(tmp_path / LINES)["sample_id"].tolist()
    assert names == sorted(f"s{name[::-1]}" for name in shown.samples["sample_id"])
    assert read_copies(tmp_path) == copies
