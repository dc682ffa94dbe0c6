"""Every format prints the same numbers, escapes what it is given, and hides nothing."""

import csv
import html as html_escape
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.published import CAVEAT
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import (
    FORMATS,
    RenderOptions,
    escape_latex,
    escape_markdown,
    render,
)
from persongen_bench.leaderboards.standings import STANDINGS_VERSION, Standings
from persongen_bench.leaderboards.text_table import text_table

WIDE = RenderOptions(width=400)
HOSTILE = '<script>alert(1)</script>|a & b_c $x^2$ 50% {#} \\end{table} "q" \'`~ [x](http://e.x)'


class Page(HTMLParser):
    """Cells of the first table per row, and every tag of a page."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self._cell, self._tables = [], [], None, 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._tables += tag == "table"
        if tag == "tr" and self._tables == 1:
            self.rows.append([])
        if tag in ("td", "th") and self._tables == 1:
            self._cell = []
        if tag == "small" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)


def expected_rows(table):
    """What a reader must see per printed row: cells as ``value [low, high]``."""
    shown = text_table(table)
    return [
        [f"{c.text} {c.interval}".strip() for c in (row.get(k.key) for k in shown.columns) if c]
        for block in shown.blocks
        for row in block.rows
    ]


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "html"])
def test_fewer_units_than_the_tables_are_printed_behind_the_number(make_run, form):
    """Novelty of seven of eight users, taste of all; one side of seven has p = 2 ** -6 = .016."""
    few = {"true-taste": [0.2, 0.4, 0.6, 0.8] * 2,
           "novelty": [0.1, 0.2, 0.3] * 2 + [0.2, float("nan")]}  # fmt: skip
    all_of_them = {"true-taste": [0.1, 0.3, 0.2, 0.2] * 2, "novelty": [0.5] * 8}
    tables = standings([make_run("rebeca", few), make_run("rebeca-v1", all_of_them)])
    text = render(tables, form, WIDE)
    assert text.count("0.200 (n=7)") == 1
    assert "(n=8)" not in text
    assert text.count("(n=") == 2  # the number's, and the legend's


def test_programs_read_the_number_of_units(make_run):
    few = {"true-taste": [0.2, 0.4, 0.6, 0.8], "novelty": [0.1, 0.2, float("nan"), 0.3]}
    lines = list(csv.DictReader(io.StringIO(render(standings([make_run("rebeca", few)]), "csv"))))
    known = {line["metric"]: line["n_units"] for line in lines if line["n_units"]}
    assert known == {"true-taste": "4", "novelty": "3"}


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [
        [re.sub(r"\\(.)|\*\*", r"\1", c).strip() for c in line[1:-1].split(" |")] for line in lines
    ]


def latex_rows(text):
    """Rows of all panels put together: the names from the first, the numbers from each."""
    rows = {}
    for panel in re.findall(r"\\toprule(.*?)\\bottomrule", text, re.DOTALL):
        plain = re.sub(r"\\begin\{tabular\}\[t\]\{@\{\}r@\{\}\}|\\end\{tabular\}", "", panel)
        plain = plain.replace("{[}", "[").replace("{]}", "]").replace(r"\_", "_")
        plain = plain.replace("\\\\[-0.7ex]{\\tiny ", " ").replace("]}", "]")
        plain = re.sub(r"\\textbf\{([^{}]*)\}", r"\1", plain.replace("$-$", "-"))
        for line in plain.replace("--", "\N{EN DASH}").splitlines():
            cells = [c.strip() for c in re.split(r" & |\\\\", line)]
            name = tuple(cells[:3])
            rows[name] = rows.get(name, list(name)) + cells[3:]
    return list(rows.values())


@pytest.fixture(scope="module")
def table(board_runs):
    (only,) = standings(board_runs)
    return only


def test_every_format_prints_the_same_numbers(table):
    rows = expected_rows(table)
    assert len(rows) == 9 + 4 + 2  # methods, anchors, reported rows with a metric shown here
    page = Page(render([table], "html"))
    found = {
        "markdown": markdown_rows(render([table], "markdown")),
        "latex": latex_rows(render([table], "latex")),
        "html": page.rows,
    }
    for form, printed in found.items():
        filled = [[c for c in row if c] for row in printed]
        for row in rows:
            assert [c for c in row if c] in filled, f"{form} lacks {row}"


def test_the_terminal_prints_the_same_numbers(table):
    lines = [re.split(r"\s{2,}", li.strip()) for li in render([table], "table", WIDE).splitlines()]
    for block in text_table(table).blocks:
        for row in block.rows:
            values = [row[c.key].text for c in text_table(table).columns if c.key in row]
            bounds = [row[c.key].interval for c in text_table(table).columns if c.key in row]
            at = lines.index([v for v in values if v])
            if any(bounds):
                assert lines[at + 1] == [b for b in bounds if b]


def test_printed_numbers_are_the_rounded_ones_of_the_full_precision_formats(table):
    lines = list(csv.DictReader(io.StringIO(render([table], "csv"))))
    document = json.loads(render([table], "json"))["tables"][0]
    by_row = {
        (li["method"], li["metric"]): li for li in lines if li["block"] in ("methods", "anchors")
    }
    printed = {row["method"].text: row for block in text_table(table).blocks for row in block.rows}
    for row in document["methods"] + document["anchors"]:
        for metric, cell in row["cells"].items():
            if cell["mean"] is None:
                continue
            line = by_row[row["label"], metric]
            for bound in ("mean", "low", "high"):
                assert float(line[bound]) == cell[bound]
            scale = 1000 if metric.startswith("recall") else 1
            assert float(printed[row["label"]][metric].text) == pytest.approx(
                cell["mean"] * scale, abs=6e-4
            )


def test_json_is_the_standings_and_reads_back(table):
    document = json.loads(render([table], "json", RenderOptions(costs=True)))
    assert document["schema_version"] == STANDINGS_VERSION == 8
    assert Standings.model_validate(document["tables"][0]) == table


@pytest.mark.parametrize("form", FORMATS)
def test_output_is_deterministic_and_ends_with_one_newline(form, board_runs):
    text = render(standings(board_runs), form)
    assert text == render(standings(board_runs[::-1]), form)
    assert text.endswith("\n")


@pytest.mark.parametrize("form", FORMATS)
def test_reported_rows_stand_apart_with_their_caveat(form, table):
    text = html_escape.unescape(render([table], form, WIDE))
    assert "3.409" in text or "0.003409" in text
    if form in ("csv", "json"):
        assert "reported" in text
        return
    assert CAVEAT in text
    assert "Diffusion Priors for Lightweight Personalized Image Generation" in text
    assert text.index("3.409") > max(text.index(r.label.partition("[")[0]) for r in table.rows)


@pytest.mark.parametrize("form", FORMATS)
def test_refused_runs_are_printed_with_their_reason(form, board_runs, make_run):
    odd = make_run("stranger", {"true-taste": np.full(40, 0.99)}, split_hash="elsewhere")
    text = html_escape.unescape(render(standings([*board_runs, odd])[:1], form, WIDE))
    assert "stranger" in text
    assert "split hash is elsewhere, the table has split1" in text


def test_ties_and_rank_intervals_are_printed(table):
    rows = {row["method"].text: row for row in text_table(table).blocks[0].rows}
    assert rows["rebeca"]["ties"] == rows["rebeca-v1"]["ties"]
    assert (rows["rebeca"]["rank"].text, rows["rebeca"]["rank"].interval) == ("2", "[2-3]")
    assert rows["rebeca-v1"]["answers"].text == "1994/2000"


def test_answers_are_named_by_their_kind(table):
    """Lists are no images: not in the header, nor in the legend, nor above the table."""
    lists = table.model_copy(update={"protocol": {**table.protocol, "output": "ranking"}})
    for name, of in (("images", table), ("rankings", lists)):
        shown = text_table(of)
        assert name in [column.header for column in shown.columns]
        assert f"{name}: delivered / asked for" in " ".join(shown.notes)
        assert f" {name} per request" in shown.facts[0]


def bold(table):
    """``(method, column)`` of every cell that is printed bold."""
    return {
        (row["method"].text, key)
        for block in text_table(table).blocks
        for row in block.rows
        for key, cell in row.items()
        if cell.best
    }


def test_the_best_is_bold_among_methods_only_and_in_the_right_direction(make_run):
    metrics = ("true-taste", "copy-rate", "history-similarity")
    means = {"a": (0.6, 0.3, 0.9), "b": (0.4, 0.1, 0.2), "oracle": (0.9, 0.0, 0.1)}
    spread = np.random.default_rng(0)
    runs = [
        make_run(label, {m: x + 0.02 * spread.random(20) for m, x in zip(metrics, v, strict=True)})
        for label, v in means.items()
    ]
    (table,) = standings(runs)
    # .2 apart with a spread of .006; history-similarity has no better end
    assert bold(table) == {("a", "true-taste"), ("b", "copy-rate")}


def test_all_that_are_not_told_apart_from_the_best_are_bold_and_none_where_all_are_tied(make_run):
    rng = np.random.default_rng(1)
    noise = rng.random((4, 40)) * 0.2
    levels = {"a": 0.6, "b": 0.6, "c": 0.2}
    runs = [
        make_run(label, {"true-taste": level + noise[j], "novelty": 0.5 + noise[(j + 1) % 3]})
        for j, (label, level) in enumerate(levels.items())
    ]
    (table,) = standings(runs)
    assert bold(table) == {("a", "true-taste"), ("b", "true-taste")}
    assert "Bold: no method is significantly better" in " ".join(text_table(table).notes)


@pytest.mark.parametrize("width", [80, 120, 240])
def test_the_terminal_keeps_its_width_and_names_what_it_left_out(table, width):
    text = render([table], "table", RenderOptions(width=width))
    assert max(len(line) for line in text.splitlines()) <= width
    header = text.split("\n", 4)[4]
    assert "true-taste" in header
    left_out = re.search(r"Left out for width.*?:\s(.*?)Brackets", text, re.DOTALL)
    if width == 240:
        assert left_out is None
    else:
        assert {"MDE", "novelty"} <= set(re.split(r",\s+", left_out.group(1).strip()))


def test_at_120_columns_precision_and_recall_stand_beside_the_headline(table):
    header = render([table], "table").split("────")[0]
    assert all(name in header for name in ("true-taste", "taste-gap", "precision@20", "recall@20"))


@pytest.mark.parametrize("width", range(90, 200, 3))
def test_no_column_is_cut_at_any_width(table, width):
    text = render([table], "table", RenderOptions(width=width))
    head, rule = text.split("\n────")[0].splitlines()[-1], max(text.splitlines(), key=len)
    assert head.rstrip().endswith(("images", "seeds"))
    assert len(rule) <= width
    assert re.search(rf"{table.methods[0].n_ok}/{table.methods[0].n_expected}", text)


def test_a_board_without_methods_says_so(make_run):
    (table,) = standings([make_run("oracle", {"true-taste": [0.9] * 4})])
    assert "none to rank yet" in render([table], "table")
    assert "No method to rank yet" in render([table], "markdown")
    assert "Not run here, though the board asks for them" in render([table], "table")


def test_costs_are_shown_only_on_request(make_run):
    run = make_run("a", {"true-taste": [0.5] * 4}, cost={"fit_seconds": 12.5, "note": None})
    tables = standings([run])
    for form in FORMATS:
        assert "fit_seconds" not in render(tables, form).replace(r"\_", "_")
        text = render(tables, form, RenderOptions(width=120, costs=True)).replace(r"\_", "_")
        assert "fit_seconds" in text
        assert "12.5" in text


def test_an_unknown_format_lists_the_known_ones(table):
    with pytest.raises(ConfigError, match="Formats are: table, markdown, latex, csv, json, html"):
        render([table], "xlsx")


# --- hostile names -------------------------------------------------------------------------


@pytest.fixture
def hostile_table(make_run):
    runs = [make_run(HOSTILE, {"true-taste": [0.5] * 4}, name="x", external=True)]
    runs.append(make_run("=1+1", {"true-taste": [0.4] * 4}, name="y"))
    return standings(runs)


def test_html_escapes_a_hostile_name_and_loads_nothing(hostile_table):
    text = render(hostile_table, "html")
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "a", "img", "link", "iframe", "object", "form"}
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, a in page.tags for name in a
    )
    assert any(HOSTILE in " ".join(row) for row in page.rows)  # still readable as it was written
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_markdown_of_a_hostile_name_stays_in_its_cell_and_is_no_markup(hostile_table):
    text = render(hostile_table, "markdown")
    (line,) = [li for li in text.splitlines() if li.startswith("| 1 ") and "script" in li]
    (header,) = {li for li in text.splitlines() if li.startswith("| rank")}
    assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", header))
    assert not re.search(r"(?<!\\)[<\[]", line)


def test_latex_of_a_hostile_name_has_no_live_specials():
    text = escape_latex(HOSTILE)
    bare = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]|\{[\[\]]\}", "", text)
    assert not set(bare) & set("\\&%$#_{}~^<>|\"'`[]")
    assert escape_latex("a---b") == "a-{}-{}-b"  # no ligature turns it into a dash
    assert escape_latex("a\n%b\x07") == r"a \%b"  # a control character is dropped


def test_latex_is_balanced_around_a_hostile_name(hostile_table):
    text = re.sub(r"(?m)^%.*$", "", render(hostile_table, "latex"))
    text = re.sub(r"\\[{}%]", "", text)
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        assert depth >= 0
    assert depth == 0
    assert text.count(r"\begin{") == text.count(r"\end{")


def test_latex_comments_cannot_be_left(make_run):
    run = make_run("a\nb", {"true-taste": [0.5] * 4}, name="x", split_hash="s\n\\input{secret}")
    text = render(standings([run, make_run("c", {"true-taste": [0.5] * 4})]), "latex")
    assert r"\input" not in text


def test_csv_disarms_formulas(hostile_table):
    lines = list(csv.DictReader(io.StringIO(render(hostile_table, "csv"))))
    labels = {line["method"] for line in lines}
    assert "'=1+1" in labels
    assert "=1+1" not in labels
    assert HOSTILE in labels


def test_negative_numbers_stay_numbers_in_csv(make_run):
    (table,) = standings([make_run("a", {"true-taste": [0.5] * 4, "taste-gap": [-0.25] * 4})])
    lines = csv.DictReader(io.StringIO(render([table], "csv")))
    assert [float(li["mean"]) for li in lines if li["metric"] == "taste-gap"] == [-0.25]


def test_markdown_escapes_are_undone_by_a_reader():
    assert re.sub(r"\\(.)", r"\1", escape_markdown(HOSTILE)) == HOSTILE
