"""What people said of runs, as columns of a board."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from persongen_bench.core.errors import RunError
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import render
from persongen_bench.leaderboards.text_table import text_table
from persongen_bench.loop.human import Human, Judged, put_human, read_human

NAN, INF = float("nan"), float("inf")
VALUES = {"true-taste": np.linspace(0.2, 0.8, 20)}


def judged(mean=0.6, study="study-one", metric="human-win-rate", n=4, **changes):
    values = {str(k): mean for k in range(1, n + 1)}
    said = {"study": study, "metric": metric, "person": "first", "values": values, "mean": mean,
            "low": mean - 0.1, "high": mean + 0.1, "n_excluded": 1,
            "excluded": {"too fast": 1}}  # fmt: skip
    return Judged(**(said | changes))


def with_people(run, *said):
    return replace(run, human=Human(run_id=run.config.run_id, judged=said))


@pytest.fixture
def runs(make_run):
    better = {"true-taste": VALUES["true-taste"] + 0.1}
    return [make_run("rebeca", VALUES), make_run("rebeca-v1", better), make_run("oracle", better)]


def table_of(*runs):
    (only,) = standings(runs)
    return only


def test_a_column_of_people_stands_beside_the_metrics_and_does_not_rank(runs):
    first, second, anchor = runs
    plain = table_of(*runs)
    table = table_of(with_people(first, judged(0.7)), with_people(second, judged(0.3)), anchor)
    assert [row.model_dump() for row in table.rows] == [row.model_dump() for row in plain.rows]
    (column,) = table.human
    assert (column.metric, column.study, column.direction) == (
        "human-win-rate", "study-one", "higher"
    )  # fmt: skip
    assert {label: (cell.mean, cell.n_units) for label, cell in column.cells.items()} == {
        "rebeca": (0.7, 4), "rebeca-v1": (0.3, 4)
    }  # fmt: skip
    printed = text_table(table)
    (shown,) = [c for c in printed.columns if "people" in c.header]
    assert shown.header == "human-win-rate (people)"
    cells = {row["method"].text: row.get(shown.key) for row in printed.blocks[0].rows}
    assert cells["rebeca"].marked == "0.700 (n=4)"
    assert cells["rebeca"].interval == "[0.600, 0.800]"
    assert any("it does not rank" in note for note in printed.notes)
    assert not any("people" in note for note in text_table(plain).notes if "rank" in note)


def test_studies_have_columns_of_their_own(runs):
    first, second, _ = runs
    table = table_of(
        with_people(first, judged(0.7)), with_people(second, judged(0.4, study="study-two"))
    )
    assert [set(column.cells) for column in table.human] == [{"rebeca"}, {"rebeca-v1"}]
    headers = [c.header for c in text_table(table).columns if "people" in c.header]
    assert headers == ["human-win-rate (people of study-on)", "human-win-rate (people of study-tw)"]
    alike = [with_people(r, judged(study=f"0123456789{k}")) for k, r in enumerate((first, second))]
    headers = [c.header for c in text_table(table_of(*alike)).columns if "people" in c.header]
    assert len(set(headers)) == 2
    assert headers[0].endswith("of 01234567890)")


def test_two_judged_runs_of_one_row_have_no_common_number(make_run):
    rows = [make_run("rebeca", VALUES, seed=seed) for seed in (0, 1)]
    both = [with_people(run, judged(0.7)) for run in rows]
    assert table_of(*both).human[0].cells == {}
    assert table_of(both[0], rows[1]).human[0].cells["rebeca"].mean == 0.7


def test_exports_mark_what_people_said(runs):
    table = table_of(with_people(runs[0], judged(0.7)), runs[1])
    lines = [
        li for li in csv.DictReader(io.StringIO(render([table], "csv"))) if "people" in li["metric"]
    ]
    assert [(li["method"], li["metric"], float(li["mean"]), li["n_units"], li["signature"])
            for li in lines] == [
        ("rebeca", "human-win-rate (people)", 0.7, "4", "study:study-one")
    ]  # fmt: skip
    document = json.loads(render([table], "json"))
    assert document["tables"][0]["human"][0]["cells"]["rebeca"]["mean"] == 0.7
    for form in ("markdown", "latex", "html", "table"):
        assert "people" in render([table], form)


@pytest.mark.parametrize(
    "changes",
    [{"values": {}}, {"values": {"code-7": 0.6}}, {"values": {"1": 0.61}}, {"low": 0.65},
     {"high": 1.2}, {"values": {"1": 1.5}, "mean": 1.5}, {"n_excluded": -1}, {"study": ""},
     {"metric": "true-taste"}, {"metric": "human-average-rank"}, {"low": None}, {"high": None},
     {"mean": NAN}, {"high": NAN}, {"values": {"1": NAN}}, {"values": {"01": 0.6}},
     {"values": {"0": 0.6}}, {"values": {"\u0661": 0.6}}, {"excluded": {"too fast": -1}},
     {"metric": "human-average-rank", "values": {"1": INF}, "mean": INF, "low": 1, "high": INF}],
)  # fmt: skip
def test_a_number_that_cannot_be_is_refused(changes):
    with pytest.raises(ValidationError):
        judged(**changes)


def test_numbers_of_a_study_are_replaced_and_others_stay(tmp_path):
    rank = judged(2.0, metric="human-average-rank", high=2.1)
    put_human(tmp_path, "r", "study-one", (judged(0.6), rank))
    put_human(tmp_path, "r", "two", (judged(0.5, study="two"),))
    put_human(tmp_path, "r", "study-one", (judged(0.7),))
    found = read_human(tmp_path, "r")
    assert [(one.study, one.mean) for one in found.judged] == [("study-one", 0.7), ("two", 0.5)]
    assert read_human(tmp_path / "none", "r") is None
    for study in ("two", "study-one"):
        put_human(tmp_path, "r", study, ())
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_another_run_and_a_damaged_one_are_refused(tmp_path):
    put_human(tmp_path, "r", "study-one", (judged(),))
    with pytest.raises(RunError, match="it is of run r, not of other"):
        read_human(tmp_path, "other")
    file = tmp_path / "human.json"
    document = json.loads(file.read_text())
    document["judged"] = document["judged"] * 2
    file.write_text(json.dumps(document))
    with pytest.raises(RunError, match="stands there twice"):
        read_human(tmp_path, "r")
    file.write_text(file.read_text()[:-9])
    with pytest.raises(RunError, match="not valid JSON"):
        read_human(tmp_path, "r")
