"""`pgbench leaderboard` in every format, over every metric that its runs hold."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from persongen_bench.cli.app import app
from persongen_bench.leaderboards.render import FORMATS
from persongen_bench.leaderboards.standings import Standings
from persongen_bench.loop.store import RunDirectory

OPEN = ("lpips-diversity", "kid@clean", "vendi", "aesthetic@v2")
"""Metrics whose range is open at one end or both."""
ENDS = {"lpips-diversity": [0.0, None], "kid@clean": [None, None], "vendi": [1.0, None]}
UNDEFINED = "fid@pytorch"
"""For no unit of these runs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_builder):
    folder = tmp_path_factory.mktemp("runs")
    for name, shift in (("rebeca", 0.0), ("rebeca-v1", 0.05), ("oracle", 0.2)):
        values = {"true-taste": np.linspace(0.2, 0.7, 4) + shift}
        values |= {metric: np.linspace(1.5, 9.0, 4) + shift for metric in OPEN}
        values[UNDEFINED] = np.full(4, np.nan)
        run = run_builder(name, values, n_images=2, anchor=name == "oracle")
        directory = RunDirectory.create(folder / name, run.config, [])
        directory.export(run.summary, run.scores, {"fit_seconds": 1.0})
        run.samples.to_parquet(folder / name / "samples.parquet", index=False)
    return folder


def printed(folder, form):
    asked = ["leaderboard", "--runs", str(folder), "--format", form, "--metric", "all"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def strict(text):
    """As a reader that knows JSON only."""

    def no_number(said):
        raise AssertionError(f"{said} is no JSON")

    return json.loads(text, parse_constant=no_number)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_every_metric(folder, form):
    text = printed(folder, form)
    for metric in OPEN:
        assert metric in text
    assert "Infinity" not in text
    assert not {"nan", "inf", "-inf"} & set(text.replace(",", " ").split())


def test_open_ends_are_null_in_json(folder):
    (table,) = strict(printed(folder, "json"))["tables"]
    ranges = {column["metric"]: column["range"] for column in table["board"]["columns"]}
    assert {metric: ranges[metric] for metric in ENDS} == ENDS
    again = Standings.model_validate(table)
    assert again.board.column("vendi").range == (1.0, np.inf)
    assert again.board.column("kid@clean").range == (-np.inf, np.inf)
    (first, *_) = table["methods"]
    assert first["cells"]["vendi"]["mean"] == pytest.approx(5.3)
    assert first["cells"][UNDEFINED]["mean"] is None


def test_csv_leaves_empty_what_has_no_number(folder):
    lines = list(csv.DictReader(io.StringIO(printed(folder, "csv"))))
    of = {(line["method"], line["metric"]): line["mean"] for line in lines}
    assert of["rebeca", UNDEFINED] == ""
    assert float(of["rebeca", "kid@clean"]) == pytest.approx(5.25)


@pytest.mark.parametrize(
    "asked",
    [
        ("compare", "rebeca", "oracle", "--format", "json"),
        ("show", "run", "rebeca", "--format", "json"),
        ("list", "runs", "--runs", ".", "--format", "json"),
    ],
)
def test_other_documents_are_json_for_everybody(folder, monkeypatch, asked):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, list(asked))
    assert done.exit_code == 0, (done.output, done.exception)
    assert strict(done.stdout)
