"""`pgbench claims` as a user runs it: makes what is missing, measures what was not, then judges."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from persongen_bench.api import claims as door
from persongen_bench.api.running import run
from persongen_bench.cli.app import app
from persongen_bench.core.errors import PgbenchError

SMALL = {"data_options": {"n_images": 40}, "n_images": 2}
PAPER = """
title = "A Paper"
short = "Paper"
[data.D]
board = "controlled"
about = "sprites stand in"
[methods.Any]
method = "random-item"
[methods.Copy]
method = "copy-history"
[methods.Theirs]
method = "no-such-method"
[methods.Odd]
method = "random-item"
options = { no_such_option = 1 }
[methods.Wrong]
method = "wrong-user"
of = "mean-embedding"
[methods.Word]
method = "textual-inversion"
[metrics.P]
ours = "true-taste"
default = true
[metrics.Near]
ours = "dis@history"
[metrics.Copies]
ours = "copy-rate"
better = "lower"
"""


def a_claim(a, b, metric):
    sides = f'a = ["{a}"]\nb = ["{b}"]\nmetrics = ["{metric}"]\n'
    return f'[[claims]]\nwhere = "here"\ndata = "D"\n{sides}'


def pgbench(*words, status=0):
    done = CliRunner().invoke(app, ["claims", *map(str, words)])
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    """A working folder whose runs are small, with a paper of three sound claims and three more."""
    place = tmp_path_factory.mktemp("claims")
    full = door._Desk.campaign

    def small(desk, board):
        return replace(full(desk, board), **SMALL)

    claims = [a_claim("Copy", "Any", "P"), a_claim("Any", "Wrong", "P"),
              a_claim("Any", "Copy", "Copies"), a_claim("Copy", "Theirs", "P"),
              a_claim("Copy", "Odd", "P"), a_claim("Any", "Word", "P")]  # fmt: skip
    (place / "mine.toml").write_text(PAPER + "\n".join(claims), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(place / "cache"))
        patch.setattr(door._Desk, "campaign", small)
        patch.chdir(place)
        yield place


def findings(output):
    (paper,) = json.loads(output)["papers"]
    return {found["claims"][0]["name"]: found for found in paper["findings"]}


MINE = ("--file", "mine.toml", "--all", "-f", "json")


def test_without_runs_nothing_is_made_and_nothing_is_lost(folder):
    found = findings(pgbench(*MINE, "--no-run", "--runs", "nowhere").stdout)
    assert not (folder / "nowhere").exists()
    assert [found[f"mine-00{i}"]["state"] for i in range(1, 7)] == [
        "not run", "not run", "not run", "cannot be run here", "cannot be run here", "not run",
    ]  # fmt: skip
    assert "no method no-such-method" in found["mine-004"]["reason"]
    assert "no_such_option" in found["mine-005"]["reason"]


@pytest.mark.slow
def test_missing_runs_are_made_and_a_second_call_makes_none(folder):
    first = pgbench(*MINE)
    found = findings(first.stdout)
    for name in ("mine-001", "mine-002", "mine-003"):
        # four people: no test can go below p = 2 ** (1 - 4)
        assert found[name]["state"] == "not separable"
        assert found[name]["difference"]["n_units"] == 4
        assert found[name]["difference"]["p_value"] >= 0.125
    # a word needs a decoder by prompt, which the stack of sprites has not
    assert found["mine-006"]["state"] == "cannot be run here"
    assert found["mine-006"]["reason"].startswith("TextualInversion trains")
    # (the folder of the run that failed stays, as it does after `pgbench run`)
    made = sorted(path.name for path in (folder / "runs/controlled").iterdir())
    assert [name.partition("-seed0")[0] for name in made] == [
        "copy-history", "random-item", "textual-inversion", "wrong-user_mean-embedding_",
    ]  # fmt: skip
    stamps = {file: file.stat().st_mtime_ns for file in folder.glob("runs/*/*/run.json")}
    again = pgbench(*MINE)
    assert findings(again.stdout) == found
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


@pytest.mark.slow
def test_a_run_that_lacks_a_metric_is_scored_again_and_keeps_its_others(folder):
    made = run(
        "random-item", "dsprites", runs="bare", beside=False, metrics=("diversity",), **SMALL
    )
    assert "verifier" not in made.summary.metrics
    text = PAPER + a_claim("Any", "Copy", "Seen")
    text = text.replace('[metrics.Near]\nours = "dis@history"', '[metrics.Seen]\nours = "verifier"')
    (folder / "seen.toml").write_text(text, encoding="utf-8")
    seen = ("--file", "seen.toml", *MINE[2:], "--runs", "bare")
    found = findings(pgbench(*seen).stdout)
    assert found["seen-001"]["difference"]["n_units"] == 4
    after = json.loads((made.path / "summary.json").read_text(encoding="utf-8"))["metrics"]
    assert set(made.summary.metrics) < set(after)


@pytest.mark.slow
def test_a_page_is_written_and_names_the_stand_in(folder):
    pgbench(*MINE[:3], "--no-run", "--output", "page.md")
    text = (folder / "page.md").read_text(encoding="utf-8")
    assert text.startswith("# Claims of the papers")
    assert text.count("on the sandbox's stand-in controlled") >= 3


def test_the_default_subset_leaves_others_out():
    (report,) = json.loads(pgbench("--file", "mine.toml", "--no-run", "-f", "json").stdout)[
        "papers"
    ]
    names = {claim["name"] for found in report["findings"] for claim in found["claims"]}
    assert names == {"mine-001", "mine-002", "mine-004", "mine-005", "mine-006"}


def test_only_claims_of_a_board():
    done = pgbench(*MINE, "--no-run", "--board", "tasteworld")
    assert findings(done.stdout) == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--paper", "009"), "Papers are: 000, 001, 002, 003, 004"),
        (("--file", "none.toml"), "none.toml: no such file"),
        (("--file", "damaged.toml"), "damaged.toml: not a TOML file"),
        (("--board", "nothing"), "no board is called"),
        (("-f", "latex"), "Formats: table, markdown, json"),
    ],
)
def test_what_is_wrong_is_one_line(folder, words, told):
    (folder / "damaged.toml").write_text("[[claims", encoding="utf-8")
    done = pgbench(*words, "--no-run", status=2)
    (line,) = done.stderr.strip().splitlines()
    assert told in line


def test_the_shipped_papers_are_judged_without_a_run():
    text = pgbench("--no-run", "--runs", "nowhere", "--all").stdout
    assert "702" in text
    assert "a study with people" in text


def test_python_has_the_same_door():
    report = door.check_claims(door.Scope(("000",), make=False, runs=Path("nowhere"), every=True))
    assert report.counts()[0][1] == "35"
    with pytest.raises(PgbenchError, match="Papers are"):
        door.check_claims(door.Scope(("7",), make=False))
