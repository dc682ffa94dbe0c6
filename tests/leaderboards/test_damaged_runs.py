"""A run of which any file is damaged is named with the reason, and hides nothing else."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from persongen_bench.api import cards
from persongen_bench.api.tables import compare, leaderboard
from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.leaderboards.drawn.tables import Asked, open_table
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.loop.results import MOST_COLUMNS
from persongen_bench.loop.store import RunDirectory

VALUES = {"true-taste": np.linspace(0.2, 0.8, 4), "novelty": np.full(4, 0.5)}


def write(folder, run):
    directory = RunDirectory.create(folder, run.config, [])
    directory.export(run.summary, run.scores, {"fit_seconds": 1.0})
    run.samples.to_parquet(folder / "samples.parquet", index=False)


@pytest.fixture(scope="module")
def sound(tmp_path_factory, run_builder):
    """Two runs: the one that is damaged, and the one that must stay."""
    folder = tmp_path_factory.mktemp("runs")
    for name, label in (("bad", "rebeca-v1"), ("good", "rebeca")):
        write(folder / name, run_builder(label, VALUES, n_images=2))
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "runs")


def said(**fields):
    """Sets fields of a JSON file, given with the file's name; a function gets what it was."""

    def damage(run):
        for name, changes in fields.items():
            file = run / f"{name}.json"
            document = json.loads(file.read_text())
            for key, value in changes.items():
                *path, last = key.split("/")
                inner = document
                for part in path:
                    inner = inner[part]
                inner[last] = value
            file.write_text(json.dumps(document))

    return damage


def wrote(name, text):
    return lambda run: (run / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def cut(name):
    return lambda run: os.truncate(run / name, (run / name).stat().st_size // 2)


def table(name, change):
    def damage(run):
        change(pd.read_parquet(run / name)).to_parquet(run / name, index=False)

    return damage


def replaced(name, make):
    def damage(run):
        (run / name).unlink()
        make(run / name)

    return damage


def doubled(frame):
    return pd.concat([frame, frame.iloc[:1]], ignore_index=True)


def infinite(frame):
    return frame.assign(value=[np.inf, *frame["value"][1:]])


def wide(frame):
    return frame.assign(**{f"c{k}": 0 for k in range(MOST_COLUMNS)})


DEEP = '{"schema_version": 5, "x": ' + "[" * 200 + "]" * 200 + "}"
DAMAGES = {
    "schema 0": (said(run={"schema_version": 0}), "no schema version 0"),
    "schema -1": (said(summary={"schema_version": -1}), "no schema version -1"),
    "schema true": (said(run={"schema_version": True}), "no schema_version"),
    "schema 99": (said(run={"schema_version": 99}), "newer than this program's"),
    "schema 1, other fields": (said(summary={"schema_version": 1, "metrics": 3}), "metrics"),
    "unknown board": (said(run={"board": "nowhere/board"}), "no board is called"),
    "board of another kind": (said(run={"board": 7}), "field 'board'"),
    "track of no board": (said(run={"track": "x"}), "run.json says|takes"),
    "run.json cut": (cut("run.json"), "not valid JSON"),
    "run.json empty": (wrote("run.json", ""), "not valid JSON"),
    "run.json a list": (wrote("run.json", "[1]"), "expected a JSON object"),
    "run.json deep": (wrote("run.json", DEEP), "deeper than"),
    "run.json very deep": (wrote("run.json", "[" * 100_000), "not valid JSON"),
    "run.json bytes": (wrote("run.json", b"\xff\xfe\x00"), "not valid JSON"),
    "summary deep": (wrote("summary.json", DEEP), "deeper than"),
    "summary cut": (cut("summary.json"), "not valid JSON"),
    "summary gone": (lambda run: (run / "summary.json").unlink(), "not complete"),
    "summary NaN": (said(summary={"metrics/true-taste/mean": float("nan")}), "NaN is no number"),
    "summary 1e999": (wrote("summary.json", '{"schema_version": 5, "x": 1e999}'), "beyond every"),
    "many digits": (wrote("summary.json", '{"schema_version": ' + "1" * 5000 + "}"), "not valid"),
    "half a character": (wrote("run.json", '{"schema_version": 5, "x": "\\ud800"}'), "not valid"),
    "label of 100 kB": (said(run={"method/label": "x" * 100_000}), "100,000 characters"),
    "people cut": (wrote("human.json", '{"schema_version": 5'), "not valid JSON"),
    "people of nobody": (
        wrote("human.json", '{"schema_version": 5, "run_id": "x", "judged": []}'), "it is of run x",
    ),
    "cost cut": (cut("cost.json"), "not valid JSON"),
    "cost gone": (lambda run: (run / "cost.json").unlink(), "cost.json"),
    "cost of 10^400": (wrote("cost.json", '{"fit_seconds": 1' + "0" * 400 + "}"), "integer of"),
    "scores cut": (cut("scores.parquet"), "not a readable Parquet file"),
    "scores empty": (wrote("scores.parquet", b""), "not a readable Parquet file"),
    "scores flipped": (wrote("scores.parquet", b"PAR1" + b"\xff" * 400 + b"PAR1"), "readable"),
    "scores without a column": (
        table("scores.parquet", lambda t: t.drop(columns="value")), "'value' is not there",
    ),
    "scores without units": (
        table("scores.parquet", lambda t: t.drop(columns="unit")), "no column 'unit'",
    ),
    "scores of texts": (
        table("scores.parquet", lambda t: t.assign(value="0.5")), "expected float64",
    ),
    "scores of bools": (table("scores.parquet", lambda t: t.assign(value=True)), "holds bool"),
    "units that are numbers": (table("scores.parquet", lambda t: t.assign(unit=1)), "int64"),
    "units missing": (table("scores.parquet", lambda t: t.assign(unit=None)), "'unit' holds"),
    "scores doubled": (table("scores.parquet", doubled), "two values of 'true-taste'"),
    "scores infinite": (table("scores.parquet", infinite), "infinite"),
    "scores without rows": (table("scores.parquet", lambda t: t[:0]), "does not follow"),
    "scores of one metric": (table("scores.parquet", lambda t: t[:4]), "in one of them only"),
    "scores too wide": (table("scores.parquet", wide), "columns, a run writes at most"),
    "samples gone": (lambda run: (run / "samples.parquet").unlink(), "samples.parquet"),
    "samples cut": (cut("samples.parquet"), "not a readable Parquet file"),
    "samples without states": (
        table("samples.parquet", lambda t: t.drop(columns="state")), "no column 'state'",
    ),
    "samples of no state": (
        table("samples.parquet", lambda t: t.assign(state="fine")), "no state 'fine'",
    ),
    "samples doubled": (table("samples.parquet", doubled), "stands in two rows"),
    "samples fewer": (table("samples.parquet", lambda t: t[1:]), "the samples' 7 ok"),
    "n_ok": (said(summary={"n_ok": 1_000_000}), "n_ok is 1000000, 8 samples are ok"),
    "n_expected": (said(summary={"n_expected": -5}), "n_expected is -5"),
    "states": (said(summary={"states": {"ok": 7, "missing": 1}}), "states are 1 missing, 7 ok"),
    "interval off its mean": (said(summary={"metrics/true-taste/low": 0.7}), "low of true-taste"),
    "narrower interval": (said(summary={"metrics/novelty/high": 0.51}), "high of novelty"),
    "no interval": (said(summary={"metrics/novelty/high": None}), "high of novelty"),
    "mean": (said(summary={"metrics/novelty/mean": 0.9}), "mean of novelty"),
    "n_units": (said(summary={"metrics/true-taste/n_units": -5}), "n_units of true-taste is -5"),
    "signature": (said(summary={"metrics/novelty/signature": "x"}), "another signature"),
    "p of no permutations": (
        said(summary={"tests/permutation.block/p_value": 0.0101}), "none of 999 permutations",
    ),
    "p of a finer grid": (
        said(summary={"tests/permutation.block/p_value": 0.002}), "was changed after",
    ),
    "caveat taken out": (said(summary={"metrics/novelty/caveats": ["x"]}), "was changed after"),
    "own judge": (said(summary={"metrics/novelty/own_judge": True}), "was changed after"),
    "notes": (said(summary={"notes": ["fine"]}), "was changed after"),
    "another run's summary": (said(summary={"run_id": "0" * 16}), "belongs to run|was changed"),
    "a pipe for run.json": (replaced("run.json", os.mkfifo), "named pipe"),
    "a pipe for scores": (replaced("scores.parquet", os.mkfifo), "named pipe"),
    "a pipe for the summary": (replaced("summary.json", os.mkfifo), "named pipe"),
    "a folder for run.json": (replaced("run.json", lambda f: f.mkdir()), "is a folder"),
    "a folder for samples": (replaced("samples.parquet", lambda f: f.mkdir()), "is a folder"),
    "a loop of links": (replaced("cost.json", lambda f: f.symlink_to(f)), "not readable"),
    "a device": (replaced("cost.json", lambda f: f.symlink_to("/dev/zero")), "device"),
    "a huge file": (lambda run: os.truncate(run / "summary.json", 1 << 40), "more than the"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_named_and_the_other_stands(folder, damage):
    do, why = DAMAGES[damage]
    do(folder / "bad")
    (tables,) = leaderboard(folder)
    assert [row.label for row in tables.rows] == ["rebeca"]
    (refused,) = tables.refused
    assert refused.run == "bad"
    assert "\n" not in refused.reason
    assert any(words in refused.reason for words in why.split("|")), refused.reason


SEEN_BY_ALL = ("run.json cut", "scores without a column", "n_ok", "cost cut", "a pipe for scores",
               "own judge", "interval off its mean", "unknown board")  # fmt: skip


@pytest.mark.parametrize("damage", SEEN_BY_ALL)
def test_lists_figures_and_comparisons_go_on_too(folder, damage):
    DAMAGES[damage][0](folder / "bad")
    rows = {row["run"]: row for row in cards.rows("runs", folder)}
    assert rows[str(folder / "good")]["state"] == "complete"
    if damage != "unknown board":  # which only boards need
        assert rows[str(folder / "bad")]["state"].startswith("damaged: ")
    drawn = open_table(folder, Asked(board=None, metrics=("true-taste",), methods=()))
    assert [row.label for row in drawn.rows] == ["rebeca"]
    assert cards.card("run", str(folder / "good"))["true-taste"].startswith("0.5")
    with pytest.raises(PgbenchError):
        compare(folder / "good", folder / "bad")
    if damage != "unknown board":
        with pytest.raises(RunError):
            cards.card("run", str(folder / "bad"))


def test_a_folder_of_damaged_runs_only_says_what_is_wrong_with_each(folder):
    for name in ("good", "bad"):
        (folder / name / "cost.json").unlink()
    with pytest.raises(
        RunError, match=r"of 2 runs none is complete and sound: bad, good: RUN.cost.json: "
    ):
        leaderboard(folder)


def test_a_headline_that_is_undefined_for_everybody_is_what_is_said(tmp_path, run_builder):
    values = {**VALUES, "true-taste": np.full(4, np.nan)}
    write(tmp_path / "one", run_builder("rebeca", values, n_images=2))
    said = r"of 1 runs none can be ranked: one: its true-taste is undefined for every unit"
    with pytest.raises(RunError, match=said) as told:
        leaderboard(tmp_path)
    assert "pgbench run`" not in str(told.value)  # there is a run


def test_what_is_refused_says_whose_it_is(folder):
    DAMAGES["n_ok"][0](folder / "bad")
    (run,), (refused,) = gather(folder)
    assert (run.config.method.label, refused.label, refused.seed) == ("rebeca", "rebeca-v1", 0)


def test_a_metric_that_is_not_here_is_not_in_the_way(folder):
    """A run scored with a plugin that is gone: its own columns stay out, the board stands."""

    def renamed(frame):
        odd = frame["metric"] == "novelty"
        return frame.assign(metric=frame["metric"].mask(odd, "gone-tools/novelty"))

    run = folder / "bad"
    table("scores.parquet", renamed)(run)
    text = (run / "summary.json").read_text().replace('"novelty": {', '"gone-tools/novelty": {')
    (run / "summary.json").write_text(text)
    config = json.loads((run / "run.json").read_text())
    config["metrics"] = ["true-taste", "gone-tools/novelty"]
    (run / "run.json").write_text(json.dumps(config))
    frame = pd.read_parquet(run / "scores.parquet")
    frame.attrs = {}  # of a run of before the seal
    frame.to_parquet(run / "scores.parquet", index=False)
    (tables,) = leaderboard(folder, metrics=("all",))
    assert {row.label for row in tables.rows} == {"rebeca", "rebeca-v1"}
