"""Labels that steer a terminal, turn lines round, hide or run: in every output they are plain."""

import csv
import io
import json
import re
import unicodedata

import pytest
from PIL import Image as PilImage
from PIL import ImageDraw

from persongen_bench.leaderboards import compare, figures, sheets
from persongen_bench.leaderboards.plots import forest_plot, precision_recall_plot
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import FORMATS, RenderOptions, render
from persongen_bench.leaderboards.terminal import plain_table

EVIL = (
    "ev\x1b[31mil\x1b]0;title\x07\x9b2J\u202egnihton\u202c\u2066\u200b\u2028\u2029\x00\x7f\x85"
    "\U000e0041[red]x[/red]\ud800"
)
SHOWN = "evilgnihton"
VALUES = {
    "true-taste": [0.2, 0.4, 0.6, 0.8] * 2, "precision@5": [0.2, 0.4] * 4,
    "recall@5": [0.1, 0.3] * 4,
}  # fmt: skip
OTHERS = {name: [value / 2 for value in values] for name, values in VALUES.items()}


def hidden(text):
    """Characters of a text that show nothing but line ends and tabs."""
    odd = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return {ascii(c) for c in text if unicodedata.category(c) in odd and c not in "\n\t"}


@pytest.fixture
def tables(make_run):
    return standings([make_run(EVIL, VALUES), make_run("rebeca", OTHERS)])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format(tables, form):
    text = render(tables, form, RenderOptions(width=400))
    assert hidden(text) == set()
    assert SHOWN in text
    text.encode("utf-8")
    if form == "json":
        assert SHOWN in json.loads(text)["tables"][0]["methods"][0]["label"]


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_comparisons(make_run, form):
    text = compare.render(compare.compare(make_run(EVIL, VALUES), make_run("rebeca", OTHERS)), form)
    assert hidden(text) == set()
    assert SHOWN in text


def test_markup_is_text(tables):
    assert "[red]x[/red]" in render(tables, "table", RenderOptions(width=400)).replace("\n", "")


def test_long_labels_are_cut(make_run):
    made = standings([make_run(f"a{'x' * 100_000}z", VALUES), make_run("rebeca", OTHERS)])
    for form in FORMATS:
        if form != "json":  # of a program: whole
            assert len(render(made, form)) < 40_000, form


@pytest.mark.parametrize("first", ["=1+1", " =1+1", "\t=1", "\uff1d1", '"=1"', "@x", "\u200b=1"])
def test_no_cell_is_a_formula(make_run, first):
    text = render(standings([make_run(first, VALUES), make_run("rebeca", OTHERS)]), "csv")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    begins = re.compile(r"[\s\"']*[=+@\uff1d]")
    assert not [cell for cell in cells if begins.match(cell) and not cell.startswith("'")]
    assert any(cell.startswith("'") for cell in cells)


@pytest.mark.parametrize("draw", [forest_plot, precision_recall_plot])
def test_texts_of_figures(tables, draw, tmp_path):
    """In an SVG the glyphs are named by their characters, in a comment before each text."""
    draw(tables[0], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert hidden(text) == set()
    assert SHOWN in text


def test_texts_of_a_figure_of_somebody_else(tmp_path):
    with figures.figure_at(tmp_path / "a.svg", (3, 2)) as figure:
        axes = figure.subplots()
        axes.set_title(f"{EVIL}\nsecond line $x^2$")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert hidden(text) == set()
    assert "second line $x^2$" in text


def test_lines_of_sheets():
    """A line with nothing to see in it is drawn as without it."""
    drawn = []
    for words in (EVIL, "evilgnihton [red]x[/red]"):
        sheet = PilImage.new("RGB", (400, 40), "white")
        sheets.write_line(ImageDraw.Draw(sheet), (2, 2), words, sheets.BODY)
        drawn.append(sheet.tobytes())
    assert drawn[0] == drawn[1]


def test_small_tables():
    text = plain_table(("method", "n"), [(EVIL, "1")], 200)
    assert hidden(text) == set()
    assert SHOWN in text
