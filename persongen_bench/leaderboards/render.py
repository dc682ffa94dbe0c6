"""Tables in every format: for a terminal, a page, a paper, a spreadsheet, a program."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.core.plain import plain
from persongen_bench.leaderboards.cells import TextCell, TextColumn, rows_with_numbers
from persongen_bench.leaderboards.standings import Standings
from persongen_bench.leaderboards.text_table import TextTable, text_table

Format = Literal["table", "markdown", "latex", "csv", "json", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class RenderOptions:
    """How to print."""

    width: int = 120
    """Characters per line of the format ``table``."""
    costs: bool = False
    """Add seconds, memory and bytes; they differ between machines, the rest does not."""


def require_format(form: str, known: Sequence[str] = FORMATS) -> None:
    """Raise `ConfigError` where there is no such format."""
    if form not in known:
        raise ConfigError(
            f"no format is called {form!r}",
            fix=near_miss(form, known, f"Formats are: {', '.join(known)}."),
        )


def render(
    tables: Sequence[Standings], form: str = "table", options: RenderOptions | None = None
) -> str:
    """All ``tables`` in one document that ends with a newline.

    ``table``, ``markdown``, ``latex`` and ``html`` print the same rounded cells; ``csv`` and
    ``json`` hold the numbers in full precision.

    Raises:
        ConfigError: if there is no such format.
    """
    require_format(form)
    chosen = options or RenderOptions()
    if form in ("csv", "json"):
        from persongen_bench.leaderboards import export

        writer = export.to_csv if form == "csv" else export.to_json
        return writer(tables, costs=chosen.costs)
    text_tables = [text_table(table, costs=chosen.costs) for table in tables]
    if form == "table":
        from persongen_bench.leaderboards.terminal import terminal, to_text

        return to_text(terminal(text_tables, chosen.width), chosen.width)
    writers: Mapping[str, Callable[[Sequence[TextTable]], str]] = {
        "markdown": markdown,
        "latex": latex,
        "html": html,
    }
    return writers[form](text_tables)


# --- markdown -----------------------------------------------------------------------------

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def escape_markdown(text: str) -> str:
    """``text`` as it is, on one line, in any Markdown dialect; no HTML gets through."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", plain(text))


def markdown(tables: Sequence[TextTable]) -> str:
    """GitHub-flavoured Markdown."""
    return "\n".join(_markdown_table(table) for table in tables)


def _markdown_table(table: TextTable) -> str:
    lines = [f"## {escape_markdown(table.title)}", ""]
    lines += [f"{escape_markdown(fact)}  " for fact in table.facts]
    lines += [f"\n**{escape_markdown(warning)}**" for warning in table.warnings]
    lines += ["", _md_line(c.header for c in table.columns)]
    lines.append("|" + "|".join("---:" if c.numeric else ":---" for c in table.columns) + "|")
    for block in table.blocks:
        if block.kind != "methods" or not block.rows:
            title = f"*{escape_markdown(block.title)}*"
            lines.append(f"| | {title} |" + " |" * (len(table.columns) - 2))
        lines += [_md_row(table.columns, row) for row in block.rows]
    lines += ["", *(f"- {escape_markdown(note)}" for note in table.notes)]
    for extra in table.extras:
        lines += ["", f"**{escape_markdown(extra.title)}**", "", _md_line(extra.header)]
        lines.append("|" + ":---|" * len(extra.header))
        lines += [_md_line(row) for row in extra.rows]
    return "\n".join(lines) + "\n"


def _md_line(texts: Any) -> str:  # noqa: ANN401  # any iterable of str
    return "| " + " | ".join(escape_markdown(text) for text in texts) + " |"


def _md_row(columns: Sequence[TextColumn], row: Mapping[str, TextCell]) -> str:
    cells = [_md_cell(row.get(column.key, TextCell())) for column in columns]
    return "| " + " | ".join(cells) + " |"


def _md_cell(cell: TextCell) -> str:
    text = escape_markdown(cell.marked)
    text = f"**{text}**" if cell.best else text
    return f"{text} {escape_markdown(cell.interval)}" if cell.interval else text


# --- LaTeX --------------------------------------------------------------------------------

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", "[": "{[}", "]": "{]}",
    "\N{DEGREE SIGN}": r"\textsuperscript{$\circ$}",
}  # fmt: skip


_PANEL = 7
"""Most columns of numbers that stay readable side by side on a page."""


def escape_latex(text: str) -> str:
    """``text`` as LaTeX prints it literally, on one line; brackets cannot become arguments."""
    shown = (_LATEX_SPECIAL.get(c, c) for c in plain(text))
    return re.sub("-(?=-)", "-{}", "".join(shown)).replace("\N{EN DASH}", "--")


def latex(tables: Sequence[TextTable]) -> str:
    """``table*`` environments for booktabs; refusals and signatures as comments."""
    template = _environment(latex=True).get_template("board.tex.j2")
    helpers = {"cell": _latex_cell, "header": _latex_header, "panels": _latex_panels}
    return str(template.render(tables=tables, shown=rows_with_numbers, **helpers))


def _latex_panels(table: TextTable) -> list[list[TextColumn]]:
    """Columns that a page can hold side by side; every panel names the methods."""
    names = [c for c in table.columns if c.key in ("rank", "method", "ties")]
    rest = [c for c in table.columns if c not in names]
    n_panels = -(-len(rest) // _PANEL)
    size = -(-len(rest) // n_panels)
    return [names + rest[start : start + size] for start in range(0, len(rest), size)]


def _latex_header(column: TextColumn) -> str:
    return re.sub(r"\(x1e(-?\d+)\)", r"($\\times10^{\1}$)", escape_latex(column.header))


def _latex_cell(column: TextColumn, cell: TextCell) -> str:
    text = escape_latex(cell.marked)
    text = _minus(text) if column.numeric else text
    text = rf"\textbf{{{text}}}" if cell.best else text
    if not cell.interval:
        return text
    below = rf"{text}\\[-0.7ex]{{\tiny {_minus(cell.interval)}}}"
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{below}\end{{tabular}}"


def _minus(text: str) -> str:
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text)


# --- HTML ---------------------------------------------------------------------------------


def html(tables: Sequence[TextTable]) -> str:
    """One self-contained page: no script, no network; every text escaped."""
    return str(_environment(latex=False).get_template("board.html.j2").render(tables=tables))


@functools.cache
def _environment(*, latex: bool) -> Any:  # noqa: ANN401  # jinja2 is imported here only
    """Templates of this package; HTML escapes by itself, LaTeX through the filter ``tex``."""
    import jinja2

    folder = resources.files("persongen_bench.leaderboards") / "templates"
    load = jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    marks = {
        "block_start_string": "((*", "block_end_string": "*))",
        "variable_start_string": "(((", "variable_end_string": ")))",
        "comment_start_string": "((=", "comment_end_string": "=))",
    } if latex else {}  # fmt: skip
    environment = jinja2.Environment(
        loader=load,
        autoescape=not latex,  # noqa: S701  # LaTeX has its own filter
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **marks,  # type: ignore[arg-type]
    )
    environment.filters["tex"] = escape_latex
    return environment
