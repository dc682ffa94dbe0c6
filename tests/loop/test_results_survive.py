"""What was made stays: nobody writes to a live run, and nothing is overwritten by less."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from run_case import make_config

from persongen_bench.api import running
from persongen_bench.core.errors import RunError
from persongen_bench.core.images import png_bytes
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.loop import run as loop
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.facts import FILE, OWN_JUDGES
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.locking import after_all, locked
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy import toy_world, write_folder
from persongen_bench.util.files import file_sha256

TERMS = Terms("catalogue", "prompt-free", ("taste-gap", "precision@1", "novelty"), 2, 3)
RESULTS = ("samples.parquet", "scores.parquet", "summary.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A world and one complete run on it."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        write_folder(toy_world(), folder / "data")
        ref = WorldRef("folder", "pixels", {"like_threshold": 2}, folder / "data")
        world = load_world(ref)
        loop.run(job(world), folder / "runs")
        yield folder, world


def job(world, terms=TERMS):
    return loop.Job(world, terms, MethodChoice("nearest-item"), seed=3)


@pytest.fixture
def own(made, tmp_path):
    """A copy of the complete run, and the world."""
    (first,) = (file.parent for file in (made[0] / "runs").rglob("run.json"))
    path = tmp_path / "runs" / first.relative_to(made[0] / "runs")
    shutil.copytree(first, path)
    return path, made[1]


def everything(folder):
    return {
        str(file.relative_to(folder)): file_sha256(file)
        for file in sorted(folder.rglob("*")) if file.is_file() and file.name != ".lock"
    }  # fmt: skip


def table(path):
    return [(path / name).read_bytes() for name in RESULTS]


def opened(own):
    return RunDirectory.open(own[0]), own[1]


# --- one writer -------------------------------------------------------------------------------


def again(own):
    return loop.run(job(own[1], Terms("catalogue", "prompt-free", ("novelty",), 2, 3)),
                    own[0].parent.parent)  # fmt: skip


def resumed(own):
    return loop.resume(*opened(own), Execution())


def rebuilt(own):
    return loop.resume(*opened(own), Execution(), rebuild=True)


def scored(own):
    return running.score(own[0], metrics=("diversity",), data=own[1].ref.root)


@pytest.mark.parametrize("writer", [again, resumed, rebuilt, scored], ids=lambda f: f.__name__)
def test_a_refused_writer_changes_nothing_of_a_live_run(made, own, writer):
    """All of them wrote before they took the lock: a new run.json, no journal, no summary."""
    places = everything(made[0] / "cache" / "private")
    before = everything(own[0])
    with locked(own[0]), pytest.raises(RunError, match="another process is working on this run"):
        writer(own)
    assert everything(own[0]) == before
    assert everything(made[0] / "cache" / "private") == places


def test_a_reader_that_finds_a_bad_picture_does_not_write_to_a_live_run(own):
    directory = RunDirectory.open(own[0])
    first = directory.samples().iloc[0]
    directory.output_path(first["sample_id"]).write_bytes(b"torn")
    before = everything(own[0])
    with locked(own[0]), pytest.raises(RunError, match="pgbench resume"):
        directory.read_image(first["sample_id"], first["pixel_hash"])
    assert everything(own[0]) == before


# --- a journal that is not what it was --------------------------------------------------------


def missing(path):
    (path / "journal.sqlite").unlink()


def empty(path):
    (path / "journal.sqlite").write_bytes(b"")


def without_rows(path):
    with closing(sqlite3.connect(path / "journal.sqlite")) as db, db:
        db.execute("DELETE FROM samples")


def without_one(path):
    with closing(sqlite3.connect(path / "journal.sqlite")) as db, db:
        db.execute("DELETE FROM samples WHERE position = 3")


def pending(path):
    with closing(sqlite3.connect(path / "journal.sqlite")) as db, db:
        db.execute("UPDATE samples SET state = 'pending' WHERE position < 4")


def damaged(path):
    (path / "journal.sqlite").write_bytes(b"no database" * 500)


LOST = {
    missing: "missing or empty.*resume --rebuild",
    empty: "missing or empty.*resume --rebuild",
    without_rows: "lacks 12 of 12 samples.*resume --rebuild",
    without_one: "lacks 1 of 12 samples.*resume --rebuild",
    pending: "4 of 12 samples are not made yet.*pgbench resume",
    damaged: "damaged.*resume --rebuild",
}


@pytest.mark.parametrize("spoil", LOST, ids=lambda f: f.__name__)
def test_scoring_refuses_a_run_whose_samples_it_does_not_know(own, spoil):
    """It overwrote good exports with nulls: "0 of 0 images ok", exit 0."""
    before = table(own[0])
    spoil(own[0])
    with pytest.raises(RunError, match=LOST[spoil]):
        running.score(own[0], data=own[1].ref.root)
    assert table(own[0]) == before


@pytest.mark.parametrize("spoil", [missing, empty, pending], ids=lambda f: f.__name__)
def test_resuming_makes_a_lost_journal_anew(own, spoil):
    before = table(own[0])
    spoil(own[0])
    resumed(own)
    assert table(own[0]) == before


@pytest.mark.parametrize("spoil", LOST, ids=lambda f: f.__name__)
def test_a_rebuilt_journal_keeps_the_facts(own, spoil):
    directory, before = RunDirectory.open(own[0]), table(own[0])
    facts = {key: directory.noted(key) for key in ("roles", "fit", "unfair")}
    cost = json.loads((own[0] / "cost.json").read_text())
    spoil(own[0])
    rebuilt(own)
    assert {key: RunDirectory.open(own[0]).noted(key) for key in facts} == facts
    (own[0] / "summary.json").unlink()
    resumed(own)
    assert table(own[0]) == before
    after = json.loads((own[0] / "cost.json").read_text())
    same = {name: value for name, value in cost.items() if name != "peak_memory_mb"}
    assert {name: after[name] for name in same} == same


def test_marks_survive_where_nothing_but_the_summary_remembers_them(own):
    """A run of before there were facts beside the journal."""
    before = json.loads((own[0] / "summary.json").read_text())
    marks = {name for name, number in before["metrics"].items() if number["own_judge"]}
    assert marks  # nearest-item searches in the space that judges it
    (own[0] / FILE).unlink()
    damaged(own[0])
    rebuilt(own)
    assert RunDirectory.open(own[0]).noted(OWN_JUDGES) == sorted(marks)
    running.score(own[0], data=own[1].ref.root)
    after = json.loads((own[0] / "summary.json").read_text())["metrics"]
    assert {n for n, number in after.items() if number["own_judge"]} == marks & after.keys()


def test_a_run_of_before_gets_its_facts_beside_the_journal(own):
    (own[0] / FILE).unlink()
    resumed(own)
    assert json.loads((own[0] / FILE).read_text()) == RunDirectory.open(own[0]).journal.facts()


def test_what_failed_is_not_made_again_by_a_rebuild(tmp_path):
    samples = plan_samples(make_config().protocol(), [Request("anna", n_images=2)])
    run = RunDirectory.create(tmp_path / "run", make_config(), samples)
    run.record([Outcome(samples[0].sample_id, "filtered", "unsafe")])
    run.samples().drop(columns="seconds").to_parquet(run.path / "samples.parquet")
    run.rebuild_journal(samples)
    assert list(run.samples()["state"]) == ["filtered", "pending"]
    assert list(run.samples()["reason"]) == ["unsafe", ""]


# --- answers that are not what was recorded ---------------------------------------------------


@pytest.mark.parametrize("damage", ["exchanged", "torn", "gone", "empty"])
def test_a_picture_of_a_complete_run_is_made_again(own, damage):
    directory, before = RunDirectory.open(own[0]), table(own[0])
    files = [directory.output_path(name) for name in directory.samples()["sample_id"]]
    pictures = [file.read_bytes() for file in files]
    if damage == "exchanged":
        files[2].write_bytes(png_bytes(np.zeros((3, 16, 16), np.uint8)))
    elif damage == "gone":
        files[2].unlink()
    else:
        files[2].write_bytes(pictures[2][:40] if damage == "torn" else b"")
    resumed(own)
    assert [file.read_bytes() for file in files] == pictures
    assert table(own[0]) == before


@pytest.mark.parametrize("name", [*RESULTS, "cost.json"])
def test_an_export_that_is_cut_is_written_again(own, name):
    before = table(own[0])
    (own[0] / name).write_bytes((own[0] / name).read_bytes()[:20])
    resumed(own)
    assert table(own[0]) == before


def test_answers_made_elsewhere_are_never_said_to_be_missing_because_we_lost_them(own, tmp_path):
    _, world = own
    asked = world.requests("prompt-free", 2, 3)
    answers = {r.user_id: [np.full((3, 16, 16), k, np.uint8) for k in range(2)] for r in asked}
    answers[asked[0].user_id].pop()
    data = {"data": world.ref.root, "data_options": {"like_threshold": 2}, "stack": "pixels"}
    made = running.score(answers, "folder", runs=tmp_path / "runs", n_images=2, **data)
    before = table(made.path)
    assert made.summary.states == {"missing": 1, "ok": 11}
    directory = RunDirectory.open(made.path)
    lost = directory.output_path(directory.samples().query("state == 'ok'")["sample_id"].iloc[0])
    whole = lost.read_bytes()
    lost.unlink()
    with pytest.raises(RunError, match=r"10 of 11 answers that were delivered.*pgbench score"):
        loop.resume(directory, world, Execution())
    assert table(made.path) == before
    lost.write_bytes(whole)
    damaged(made.path)
    loop.resume(RunDirectory.open(made.path), world, Execution(), rebuild=True)
    assert table(made.path) == before


# --- order ------------------------------------------------------------------------------------


def test_the_later_run_has_the_later_time_whatever_the_clock_does(tmp_path):
    board, now = tmp_path / "board", "2026-01-02T03:04:05+00:00"
    assert after_all(board / "a", now) == now
    (board / "b").mkdir(parents=True)
    (board / "b" / "run.json").write_text(json.dumps({"created": "2031-01-01T00:00:00+00:00"}))
    (board / "c").mkdir()
    (board / "c" / "run.json").write_text("[torn")
    assert after_all(board / "a", now) == "2031-01-01T00:00:01+00:00"
    config = make_config(created=now)
    run = RunDirectory.create(board / "a", config, [])
    assert run.config.created == "2031-01-01T00:00:01+00:00"
    assert run.config.run_id == config.run_id
