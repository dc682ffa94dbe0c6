"""Two papers beside one board, each with a scale of its own: in every format a block of its own.

The first prints percent, and recall in thousandths; the second prints plain numbers.
"""

import csv
import html
import io
import json
import re
from importlib import resources

import pytest
from plugin_case import fresh_registry

from persongen_bench.core import registry
from persongen_bench.leaderboards.plots import precision_recall_plot
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import FORMATS, RenderOptions, render

PERCENT = {
    "schema_version": 1, "title": "Percent, Table 2", "source": "A. Author, Percent", "world": "X",
    "caveat": "read off a plot", "scale": 0.01, "scales": {"recall@20": 0.001},
    "rows": [{"method": "Ours", "metrics": {"precision@20": 21.4, "recall@20": 3.409}},
             {"method": "Other", "metrics": {"precision@20": 7}}],
}  # fmt: skip
PLAIN = {
    "schema_version": 1, "title": "Plain, Table 1", "source": "B. Author, Plain", "world": "Y",
    "rows": [{"method": "Ours", "metrics": {"precision@20": 0.9, "recall@20": 0.002}}],
}  # fmt: skip
PRINTED = {
    "Percent, Table 2": [("Ours", "0.214", "3.409"), ("Other", "0.070", "")],
    "Plain, Table 1": [("Ours", "0.900", "2.000")],
}
"""By hand: 21.4 % = 0.214, 7 % = 0.070; the column of recall is printed in units of 1e-3."""


@pytest.fixture
def table(make_run, monkeypatch, tmp_path):
    fresh_registry(monkeypatch)
    for name, paper in (("a.json", PERCENT), ("b.json", PLAIN)):
        (tmp_path / name).write_text(json.dumps(paper), encoding="utf-8")
    file = resources.files("persongen_bench.leaderboards.boards") / "controlled.toml"
    text = re.sub(r"(?m)^reported = .*$", 'reported = ["a.json", "b.json"]', file.read_text())
    (tmp_path / "two.toml").write_text(text, encoding="utf-8")
    registry.register("boards", "two", tmp_path / "two.toml")
    values = {"true-taste": [0.5, 0.6], "precision@20": [0.4, 0.5], "recall@20": [0.001, 0.003]}
    runs = [make_run(label, values, board="local/two", name="x") for label in ("mine", "yours")]
    (only,) = standings(runs)
    return only


def test_the_standings_hold_both_in_the_metrics_units(table):
    numbers = [[row.metrics for row in paper.rows] for paper in table.reported]
    assert numbers == [
        [{"precision@20": 0.214, "recall@20": 0.003409}, {"precision@20": 0.07}],
        [{"precision@20": 0.9, "recall@20": 0.002}],
    ]


HEADINGS = {
    "table": r"reported in\s+{}",
    "markdown": r"\*Reported in {}, not measured here\*",
    "latex": r"\\emph\{{Reported in {}, not measured here\}}",
    "html": r'<th colspan="\d+">Reported in {}, not measured here</th>',
}


@pytest.mark.parametrize("form", HEADINGS)
def test_each_paper_has_a_block_of_its_own(table, form):
    text = render([table], form, RenderOptions(width=400))
    if form == "latex":
        text = text.split(r"\resizebox")[1]  # the first panel has the columns asked for here
    spaced = [name.replace(" ", r"\s+") for name in PRINTED]  # a terminal folds long headings
    first, second = (re.search(HEADINGS[form].format(name), text).start() for name in spaced)
    end = second + re.search(r"bottomrule|</table>|\n- |Brackets", text[second:]).start()
    for block, rows in zip((text[first:second], text[second:end]), PRINTED.values(), strict=True):
        body = re.sub(r"<[^>]*>|\s+|[|&*]", " ", block)
        numbers = re.findall(r"\b(Ours|Other)\b((?:\s+\d\.\d{3})*)", body)
        assert [(name, *text.split()) for name, text in numbers] == [
            tuple(cell for cell in row if cell) for row in rows
        ]


@pytest.mark.parametrize("form", HEADINGS)
def test_each_paper_has_its_own_source_and_caveat(table, form):
    text = " ".join(html.unescape(render([table], form, RenderOptions(width=400))).split())
    assert "Reported in Percent, Table 2: A. Author, Percent; read off a plot (X)." in text
    assert re.search(r"Plain, Table 1: B. Author, Plain; reported in the paper; .* \(Y\)\.", text)


def test_csv_has_full_precision_and_the_source_on_every_line(table):
    lines = csv.DictReader(io.StringIO(render([table], "csv")))
    reported = [line for line in lines if line["block"] == "reported"]
    kept = [(li["source"], li["method"], li["metric"], float(li["mean"])) for li in reported]
    assert kept == [
        ("A. Author, Percent", "Ours", "precision@20", 0.214),
        ("A. Author, Percent", "Ours", "recall@20", 0.003409),
        ("A. Author, Percent", "Other", "precision@20", 0.07),
        ("B. Author, Plain", "Ours", "precision@20", 0.9),
        ("B. Author, Plain", "Ours", "recall@20", 0.002),
    ]
    assert reported[0]["caveat"] == "read off a plot (X)"


def test_json_keeps_the_tables_apart(table):
    first, second = json.loads(render([table], "json"))["tables"][0]["reported"]
    assert (first["title"], first["caveat"]) == ("Percent, Table 2", "read off a plot")
    assert (first["scale"], first["rows"][0]["metrics"]["precision@20"]) == (1.0, 0.214)
    assert second["source"] == "B. Author, Plain"


def test_a_figure_says_which_paper_a_mark_is_from(table, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn, plot = {}, Axes.plot

    def noted(self, x, y, *rest, **options):
        drawn[options["label"]] = (x[0], y[0])
        return plot(self, x, y, *rest, **options)

    monkeypatch.setattr(Axes, "plot", noted)
    precision_recall_plot(table, tmp_path / "pr.png")
    assert drawn == {
        "Ours [Percent, Table 2] (reported)": pytest.approx((3.409, 0.214)),
        "Ours [Plain, Table 1] (reported)": pytest.approx((2.0, 0.9)),
    }  # `Other` has no recall


def test_every_format_is_looked_at_here():
    assert set(FORMATS) == {*HEADINGS, "csv", "json"}
