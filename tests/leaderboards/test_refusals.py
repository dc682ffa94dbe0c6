"""However many runs are refused, a board says so in a few lines: one a reason."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.leaderboards.refusals import MOST, by_reason, some
from persongen_bench.leaderboards.standings import Refusal
from persongen_bench.loop.reasons import Reason, reason
from persongen_bench.loop.store import RunDirectory

N_OLD = 8
"""Copies of each of the two runs that no more follow from their scores, and of a torn one."""


def refusal(name, why, label=""):
    return Refusal(run=name, label=label, seed=0, reason=why.text, kind=why.kind)


def test_what_is_a_runs_own_is_no_part_of_its_kind():
    why = reason("{} images of {} are pending", 3, "a {} b")
    assert str(why) == "3 images of a {} b are pending"
    assert why.kind == "... images of ... are pending"


def test_one_reason_is_one_line_however_it_is_worded():
    pending = [refusal(f"p{k}", reason("{} are pending", k)) for k in range(200)]
    alike = [refusal(f"a{k}", reason("it has no x")) for k in range(3)]
    told = by_reason([*alike, *pending, refusal("one", reason("{} is odd", "y"))])
    assert [(len(runs), why) for runs, why in told] == [
        (200, "... are pending"), (3, "it has no x"), (1, "y is odd"),
    ]  # fmt: skip


def test_many_reasons_are_cut_short():
    refused = [refusal(f"r{k}", Reason(f"why {k}", f"why {k}")) for k in range(50)]
    told = by_reason(refused)
    assert len(told) == MOST + 1
    assert sum(len(runs) for runs, _ in told) == 50
    assert told[-1][1] == "42 other reasons"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("a", "a"),
        ("abc", "a, b, c"),
        ("abcd", "a, b, c and 1 more"),
        ("aaaab", "a, b"),  # called alike: named once
        ("abcabcdd", "a, b, c and 2 more"),
    ],
)
def test_a_few_are_named(names, said):
    assert some(list(names)) == said


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_builder):
    """One sound run and many old ones: two methods of other counts, and one whose file is torn."""
    folder = tmp_path_factory.mktemp("runs")
    for name, n_expected in (("rebeca", None), ("rebeca-v1", 70), ("random-item", 80)):
        run = run_builder(name, {"true-taste": np.linspace(0.2, 0.8, 4)}, n_images=2)
        directory = RunDirectory.create(folder / name, run.config, [])
        directory.export(run.summary, run.scores, {"fit_seconds": 1.0})
        run.samples.to_parquet(folder / name / "samples.parquet", index=False)
        if n_expected is not None:
            file = folder / name / "summary.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), "n_expected": n_expected}))
    shutil.copytree(folder / "rebeca", folder / "torn")
    (folder / "torn" / "cost.json").unlink()
    for name in ("rebeca-v1", "random-item", "torn"):
        for k in range(1, N_OLD):
            shutil.copytree(folder / name, folder / f"{name}-{k:02d}")
    return folder


def printed(folder, *more):
    return CliRunner().invoke(app, ["leaderboard", "--runs", str(folder), *more])


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "html"])
def test_old_runs_are_a_few_lines_on_a_board(folder, form):
    done = printed(folder, "--format", form)
    assert done.exit_code == 0
    assert sum("pgbench score" in line for line in done.stdout.splitlines()) == 1
    assert done.stdout.count("rebeca-v1") == 1
    assert str(folder) not in done.stdout
    if form == "table":
        below = done.stdout.partition("Refused runs")[2].partition("Metric definitions")[0]
        said = " ".join(below.split())
        assert said == (
            "n runs why 16 random-item (seed 0), rebeca-v1 (seed 0) summary does not follow from "
            "its scores (...); `pgbench score` makes it again 8 rebeca (seed 0) RUN/cost.json: no "
            "such JSON file. Is this a run directory? Restore it."
        )


def test_programs_get_every_run_by_name(folder):
    refused = json.loads(printed(folder, "--format", "json").stdout)["tables"][0]["refused"]
    assert len({one["run"] for one in refused}) == 3 * N_OLD
    kinds = {one["kind"] for one in refused}
    assert len(kinds) == 2
    (old,) = [one for one in refused if one["run"] == "rebeca-v1-07"]
    assert old["reason"] == old["kind"].replace("...", "n_expected is 70, there are 8 samples")
    lines = csv.DictReader(io.StringIO(printed(folder, "--format", "csv").stdout))
    assert sum(line["block"] == "refused" for line in lines) == 3 * N_OLD


def test_where_no_run_is_left_the_error_is_as_short(folder, tmp_path):
    for name in ("rebeca-v1", "rebeca-v1-01", "random-item", "random-item-01", "torn"):
        shutil.copytree(folder / name, tmp_path / name)
    done = printed(tmp_path)
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert "of 5 runs none is complete and sound: random-item, random-item-01, rebeca-v1" in said
    assert "and 1 more: summary does not follow from its scores (...)" in said
    assert said.count("does not follow") == 1
