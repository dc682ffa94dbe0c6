"""A run directory of schema version 1, made by the program of that time, reads as one of today."""

import json
import shutil
from pathlib import Path

import pytest

from persongen_bench.leaderboards.ranking import standings
from persongen_bench.loop.documents import SCHEMA_VERSION
from persongen_bench.loop.store import RunDirectory

GOLDEN = Path(__file__).parent / "golden" / "schema-1"
"""`pgbench run --method rebeca` at the last version with that schema, its baseline nearest-item;
the images are left out."""


@pytest.fixture
def run(tmp_path):
    return RunDirectory.open(shutil.copytree(GOLDEN, tmp_path / "run"))


def test_the_identity_is_what_it_was(run):
    said = json.loads((GOLDEN / "summary.json").read_text())["run_id"]
    assert run.config.run_id == said
    assert (run.config.output, run.config.unit) == ("image", "user")


def test_the_numbers_are_what_they_were(run):
    results = run.results()
    old = json.loads((GOLDEN / "summary.json").read_text())["metrics"]
    assert results.summary.schema_version == SCHEMA_VERSION
    for name, number in results.summary.metrics.items():
        assert number.model_dump(include={"mean", "low", "high"}) == {
            key: old[name][key] for key in ("mean", "low", "high")
        }
        assert number.n_units == old[name]["n_users"] == 24
    assert list(results.scores) == ["unit", "metric", "value", "signature"]
    assert (results.samples["digest"] == results.samples["pixel_hash"]).all()


def test_it_still_stands_on_its_board(run):
    (table,) = standings([run.results()])
    assert [row.label for row in table.methods] == ["nearest-item"]
    assert table.refused == ()


def test_its_journal_takes_kinds_of_output(run):
    table = run.samples()
    assert (table["digest"] == table["pixel_hash"]).all()
    assert (table["digest"] != "").all()
    assert (table["request_id"] == "").all()


def test_a_permutation_test_of_then_has_no_null(run):
    tests = run.results().summary.tests
    assert set(tests) == {"permutation.block", "permutation.image"}
    assert all(one.null is None and one.z is None for one in tests.values())
