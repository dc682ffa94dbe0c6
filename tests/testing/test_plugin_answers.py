"""Rankings and adapters of the example package: made, killed, resumed, delivered, ranked.

Everything goes through the command line, as for images.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from example_case import RESULTS, TIMEOUT_SECONDS, Place, only_run, results

from persongen_bench.api.runs import Run
from persongen_bench.core.roles import Adapter
from persongen_bench.loop.store import RunDirectory

pytestmark = pytest.mark.slow
PAIRS = ("-d", "plugin-example/pairs")


@dataclass(frozen=True)
class Case:
    """A board whose answers are no images."""

    kind: str
    board: str
    method: str
    n_answers: int
    """Twelve users, and the board's answers to each."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `pgbench run`."""
        return ("run", *PAIRS, "--board", self.board, "-m", self.method, "--runs", "runs")

    @property
    def folder(self) -> str:
        """How the run's folder begins."""
        return self.method.replace("/", "_")


CASES = {
    "ranking": Case("ranking", "plugin-example/recommend", "plugin-example/popular", 12),
    "adapter": Case("adapter", "plugin-example/edit", "plugin-example/tilt", 24),
}


@dataclass(frozen=True)
class Made:
    """A whole run, and where commands about it run."""

    case: Case
    place: Place
    run: Path


@pytest.fixture(scope="module", params=CASES)
def made(request, installed, tmp_path_factory) -> Made:
    case = CASES[request.param]
    place = Place(installed, tmp_path_factory.mktemp(case.kind))
    place.pgbench(*case.arguments)
    return Made(case, place, only_run(place.folder / "runs", case.folder))


def answers(run: Path, kind: str) -> dict[str, object]:
    """Sample id => answer, each checked against its digest."""
    directory = RunDirectory.open(run)
    assert directory.kind.name == kind
    rows = directory.samples().itertuples()
    return {row.sample_id: directory.read_output(row.sample_id, row.digest) for row in rows}


def test_every_answer_is_kept_and_told_apart(made):
    kept = answers(made.run, made.case.kind)
    assert len(kept) == made.case.n_answers
    assert len(list((made.run / f"{made.case.kind}s").rglob("*.*"))) == made.case.n_answers
    run = Run.open(made.run)
    assert run.summary.states == {"ok": made.case.n_answers}
    assert run.contact_sheet.exists()
    if made.case.kind == "ranking":  # nothing is drawn
        assert run.images == {}
        assert set(run.samples["pixel_hash"]) == {""}
    else:  # two images a user, of the sandbox's size
        assert {len(images) for images in run.images.values()} == {2}
        assert {image.shape for own in run.images.values() for image in own} == {(3, 64, 64)}
        assert run.samples["pixel_hash"].nunique() == made.case.n_answers


def test_what_was_half_done_ends_the_same_with_another_batch_size(made, tmp_path):
    whole = results(made.run)
    half = tmp_path / "half"
    shutil.copytree(made.run, half)
    directory = RunDirectory.open(half)
    with directory.journal.transaction() as db:
        db.execute("UPDATE samples SET state='pending', digest='', pixel_hash=''"
                   " WHERE position % 2")  # fmt: skip
    for file in list((half / f"{made.case.kind}s").rglob("*.*"))[::3]:
        file.unlink()
    for name in RESULTS:
        (half / name).unlink()
    made.place.pgbench("resume", str(half), "--batch-size", "5")
    assert results(half) == whole
    assert answers(half, made.case.kind).keys() == answers(made.run, made.case.kind).keys()


def test_a_lost_journal_is_made_again_from_the_files(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made.run, copy)
    (copy / "journal.sqlite").write_bytes(b"rubbish" * 1000)
    made.place.pgbench("resume", str(copy), "--rebuild")
    assert results(copy) == results(made.run)


def test_killed_and_resumed_with_two_workers(made, tmp_path):
    place = Place(made.place.installed, tmp_path)
    process = place.start("-m", "persongen_bench", *made.case.arguments, "--batch-size", "1")
    wait_for_an_answer(process, tmp_path / "runs")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    killed = only_run(tmp_path / "runs", made.case.folder)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "summary.json").exists()
    place.pgbench("resume", str(killed), "--batch-size", "7", "--workers", "2")
    assert results(killed) == results(made.run)


def wait_for_an_answer(process, runs: Path) -> None:
    """Until the first answer lies on disk."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if any(runs.rglob("rankings/*/*")) or any(runs.rglob("adapters/*/*")):
            return
        time.sleep(0.002)
    raise AssertionError(f"the run ended ({process.returncode}) before it could be killed")


@pytest.fixture(scope="module")
def delivered(made) -> Path:
    """The run of the same answers, delivered in a folder with a manifest."""
    folder, kind = made.place.folder / "delivery", made.case.kind
    folder.mkdir()
    rows = []
    directory = RunDirectory.open(made.run)
    for k, row in enumerate(directory.samples().itertuples()):
        source = directory.output_path(row.sample_id)
        shutil.copyfile(source, folder / f"{k}{source.suffix}")
        rows.append((row.user_id, row.request_id, row.index, f"{k}{source.suffix}"))
    table = pd.DataFrame(rows, columns=["user_id", "request_id", "index", kind])
    table.to_csv(folder / "manifest.csv", index=False)
    label = ("--label", "elsewhere", "--runs", "runs")
    made.place.pgbench("score", "delivery", *PAIRS, "--board", made.case.board, *label)
    return only_run(made.place.folder / "runs", "elsewhere")


def test_delivered_answers_score_what_the_run_scored(made, delivered):
    ours, theirs = (pd.read_parquet(run / "scores.parquet") for run in (made.run, delivered))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    made_by_us, made_there = (RunDirectory.open(run).samples() for run in (made.run, delivered))
    for column in ("sample_id", "digest", "pixel_hash"):  # drawn with the same seeds
        assert made_by_us[column].tolist() == made_there[column].tolist()


def test_a_damaged_answer_is_refused_with_its_row(made, tmp_path):
    (tmp_path / "broken").write_bytes(b"rubbish")
    (tmp_path / "manifest.csv").write_text(f"user_id,{made.case.kind}\nuser-00,broken\n")
    arguments = ("score", str(tmp_path), *PAIRS, "--board", made.case.board)
    done = made.place.python("-m", "persongen_bench", *arguments, "--runs", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert "manifest.csv row 2" in done.stderr
    assert f"not a{'n' if made.case.kind == 'adapter' else ''} {made.case.kind}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_leaderboard_shows_both(made, delivered):
    said = made.place.pgbench(
        "leaderboard", "--runs", "runs", "--board", made.case.board, "-f", "csv"
    )
    rows = list(csv.DictReader(io.StringIO(said)))
    assert {row["method"].split(" ")[0] for row in rows} == {made.case.method, "elsewhere"}
    means = pd.read_parquet(made.run / "scores.parquet").groupby("metric")["value"].mean()
    for row in rows:
        assert float(row["mean"]) == pytest.approx(means[row["metric"]], abs=1e-12)


# --- what the numbers mean ------------------------------------------------------------------


@pytest.fixture
def split(installed, monkeypatch):
    """The division of the board of rankings, from the installed example."""
    monkeypatch.syspath_prepend(installed.site)
    from plugin_example.pairs import Pairs

    data = Pairs.load(Pairs.Config(), None)
    return data.split("leave-two", 0)


@pytest.mark.parametrize("made", ["ranking"], indirect=True)
def test_lists_and_hits_by_counting(made, split):
    """Likes per item, counted in the split's own rows; hits, looked up in the lists on disk."""
    likes = split.train[split.train["liked"]]
    popularity = likes["item_id"].value_counts()
    for row in RunDirectory.open(made.run).samples().itertuples():
        file = RunDirectory.open(made.run).output_path(row.sample_id)
        listed = json.loads(file.read_text())
        own = set(likes["item_id"][likes["user_id"] == row.user_id])
        others = popularity[~popularity.index.isin(own)]
        best = sorted(others.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
        assert list(zip(listed["item_ids"], listed["scores"], strict=True)) == best
        held_out = set(split.test["item_id"][split.test["user_id"] == row.user_id])
        scores = pd.read_parquet(made.run / "scores.parquet").set_index(["unit", "metric"])
        for k in (5, 10):
            value = scores.loc[(row.user_id, f"plugin-example/hits@{k}"), "value"]
            assert value == bool(held_out & set(listed["item_ids"][:k]))


@pytest.mark.parametrize("made", ["adapter"], indirect=True)
def test_adapters_are_a_users_own_and_change_the_picture(made):
    kept = answers(made.run, "adapter")
    rows = RunDirectory.open(made.run).samples()
    ups: dict[str, list[np.ndarray]] = {}
    for row in rows.itertuples():
        adapter = kept[row.sample_id]
        assert isinstance(adapter, Adapter)
        assert {array.shape for array in adapter.lora.values()} == {(1, 160), (160, 1)}
        (up,) = (array for array in adapter.lora.values() if array.shape == (160, 1))
        ups.setdefault(row.user_id, []).append(up)
    assert all((own[0] == own[1]).all() for own in ups.values())  # one a user, whatever the seed
    first = [own[0].tobytes() for own in ups.values()]
    assert len(set(first)) == len(first)
