"""Methods that cheat: each is stopped with a line, counted against, marked, or without effect.

What some of them had on the version before the wall (commit c3bb89e; tasteworld, 12 people x 4
images, true-taste; the honest `nearest-item` had .726, `random-item` .326):

| cheat | then | now |
|---|---|---|
| data set read again in fit (`registry`) | .829, rank 1 | the honest answers, noted |
| the same in generate | .829, rank 1 | the honest answers, noted |
| the data set found in memory (`garbage`) | .829, rank 1 | the honest answers |
| the callers' frames walked (`frames`) | .829, rank 1 | the honest answers |
| metrics patched (`patched-metrics`) | 1.000, and 1.000 for the next method | the honest numbers |
| half refused as `unscored` | .583 against .219 (precision) | counts as failed |
| hard users refused | the ranking of everybody moved | counts as failed, others' as before |
| history with noise of 6 levels (`noisy`) | copy-rate 0.000, no mark | searched for copies |
| 1 x 1 pictures (`tiny`) | best diversity, no mark | counts as failed |
| answers that depend on the batch (`by-batch`) | ranked without a word | not ranked |
| privileged only when made (`secretly-privileged`) | .60 against .30, ranked | stopped |
| a child that forges the stored fit (`lingers`) | forged | stopped |

The last two were found here, on the wall's first version.
"""

import sys

import cheats_case as case
import numpy as np
import pytest

from persongen_bench.core.errors import RunError
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.rows import build_row
from persongen_bench.loop.schema import NOT_RANKED

STOPPED = {
    "links-fit": "refused: symlink", "links-fit-by-c": "no regular file",
    "lingers": "refused: os.fork", "exits-in-fit": "failed to fit: SystemExit",
    "secretly-privileged": "says only now that it sees held-out data",
}  # fmt: skip
FAILED = {
    "no-image": "found str", "floats": "found dtype float32", "grey": "expected shape",
    "too-few": "returned 0 answers for 1", "lazy": "", "nan-ranking": "found Ranking",
    "loud-patch": "refused: import", "ends": "its process ended by itself (status 0)",
    "exits": "SystemExit: 0", "crashes": "SIGSEGV",
    "tiny": "1 x 1 pixels, an answer has at least 8 a side",
}  # fmt: skip
HALF = {"unscored": "cannot say 'unscored'", "refuses-hard": "", "refuses-loudly": ""}
UNSTEADY = ["by-batch", "by-order", "by-clock", "by-process"]
COPIES = ["noisy", "blurred", "shifted", "flipped", "recompressed"]
OTHER = {
    "knows-the-check",
    "giant",
    "privileged",
    "undeclared-role",
    "hidden-role",
    "hungry",
}
SILENT = {
    "registry", "garbage", "held-out-view", "frames", "wire", "disarmed", "descriptors",
    "arrow", "lib-c", "fork-server",
    "upwards", "spawned", "patched-loaded", "patched-kinds", "patched-numpy",
    "pickled-answer", "signals-by-c", "forges-facts", "keeps",
}  # fmt: skip
"""What the hook does not see: the kernel refuses it, or there is nothing to be had there."""


def names():
    return [case.kebab(c) for module in case.KINDS["methods"] for c in case.classes(module)]


WITHOUT_EFFECT = [
    name for name in names() if name not in {*STOPPED, *FAILED, *HALF, *UNSTEADY, *COPIES, *OTHER}
]


def answers(results):
    return [results.samples["pixel_hash"].tolist(), results.scores["value"].tolist()]


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_who_peeks_or_patches_has_the_honest_answers(make, honest, name):
    results = make(name)
    assert answers(results) == answers(honest)
    tried = [note for note in results.summary.notes if "was refused" in note]
    assert bool(tried) == (name not in SILENT)
    assert "cheat_tools" not in sys.modules


@pytest.mark.parametrize("name", STOPPED)
def test_what_cannot_be_fitted_is_one_line(make, name):
    with pytest.raises(RunError, match=STOPPED[name].replace("(", r"\(")) as caught:
        make(name)
    assert "\n" not in str(caught.value)


def test_memory_that_there_is_not_is_one_line(make):
    with pytest.raises(MemoryError, match="Unable to allocate"):
        make("hungry")


@pytest.mark.parametrize("name", FAILED)
def test_what_is_no_answer_counts_as_failed(make, name):
    results = make(name)
    assert set(results.samples["state"]) == {"method_error"}
    assert FAILED[name] in results.samples["reason"].iloc[0]
    assert results.scores["value"].max() == -1.0  # taste-gap's worst


@pytest.mark.parametrize("name", HALF)
def test_who_refuses_pays(make, honest, name):
    results = make(name)
    failed = results.samples["state"].isin(["method_error", "filtered"])
    assert 0 < failed.sum() < len(failed)
    assert failed.sum() + (results.samples["state"] == "ok").sum() == len(failed)
    assert all(HALF[name] in reason for reason in results.samples["reason"][failed])
    assert results.scores["value"].mean() < honest.scores["value"].mean()


@pytest.mark.parametrize("name", UNSTEADY)
def test_answers_that_nobody_can_make_again_are_not_ranked(make, honest, name):
    results = make(name)
    assert results.summary.notes[0] == (
        f"{NOT_RANKED}its answers depend on the batch or the process: 2 of 2 made again differ"
    )
    board = get_board("catalogue").model_copy(update={"headline": "taste-gap"})
    units = sorted(set(results.scores["unit"]))
    assert build_row(board, [results], units).anchor
    assert not build_row(board, [honest], units).anchor


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_found_however_they_are_changed(make, name):
    results = make(name)
    assert results.summary.states == {"ok": 12}
    if "copies" not in type(results).__dataclass_fields__:
        pytest.skip("runs are not searched for copies here")
    assert results.copies.of_training


def test_large_pictures_take_the_time_they_take(make):
    assert make("giant").summary.states == {"ok": 12}


def test_who_says_that_it_sees_what_is_held_out_is_an_anchor(make):
    assert make("privileged").config.method.anchor


def test_a_model_that_nobody_named_is_noted(make, place):
    make("undeclared-role")
    from persongen_bench.loop.store import RunDirectory

    assert "image_encoder" in RunDirectory.open(make("undeclared-role").path).noted("roles")


def test_nothing_was_done_to_others(make, honest, place):
    """Whatever the others did before: last in this file."""
    made = make("honest")
    assert not (place / "runs" / "pickled").exists()
    assert not (place / "runs" / "x").exists()
    assert not list((place / "cache").rglob("poison"))
    assert not list((place / "cache" / "fits").rglob("fit.json.forged"))
    from persongen_bench.loop.store import RunDirectory

    again = RunDirectory.open(made.path).results()
    assert answers(again) == answers(honest)
    assert np.isfinite(again.scores["value"]).all()
