"""A table for people at a terminal: the columns that fit, and the names of those that do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from persongen_bench.core.plain import plain_lines
from persongen_bench.leaderboards.cells import Block, TextCell, TextColumn, rows_with_numbers
from persongen_bench.leaderboards.text_table import DEFINITIONS, Extra, TextTable

_METHOD_WIDTH = (21, 28)
"""Narrowest and widest column of methods: headings fit in, a longer name is folded."""
_GAP = 2
"""Spaces between columns."""


def terminal(tables: Sequence[TextTable], width: int) -> RenderableType:
    """All tables, at most ``width`` characters wide."""
    return Group(*(_one(table, width) for table in tables))


def _one(table: TextTable, width: int) -> RenderableType:
    columns = fitting(table, width)
    left_out = [c.header for c in table.columns if c not in columns]
    parts: list[RenderableType] = [Text(table.title, style="bold")]
    parts += [Text(fact, style="dim") for fact in table.facts]
    parts += [Text(warning, style="bold red") for warning in table.warnings]
    parts.append(_table(columns, table.blocks))
    if left_out:
        parts.append(Text(f"Left out for width (all in --format markdown, latex, csv, json, html): "
                          f"{', '.join(left_out)}"))  # fmt: skip
    parts += [Text(note, style="dim") for note in table.notes]
    parts += [_extra(_about(extra, columns)) for extra in table.extras]
    return Padding(Group(*parts), (0, 0, 1, 0))


def _about(extra: Extra, columns: Sequence[TextColumn]) -> Extra:
    """Definitions only of the columns that are shown."""
    shown = {column.key for column in columns}
    if extra.title != DEFINITIONS:
        return extra
    return replace(extra, rows=tuple(row for row in extra.rows if row[0] in shown))


def fitting(table: TextTable, width: int) -> list[TextColumn]:
    """The columns of highest priority that fit into ``width``, in printed order."""
    room, kept = width, []
    for column in sorted(table.columns, key=lambda c: c.priority):
        need = _width(column, table.blocks) + _GAP
        if column.priority > 0 and need > room:
            break
        room -= need
        kept.append(column)
    return [column for column in table.columns if column in kept]


def _width(column: TextColumn, blocks: Iterable[Block]) -> int:
    cells = [row.get(column.key, TextCell()) for block in blocks for row in block.rows]
    widest = max((max(len(c.marked), len(c.interval)) for c in cells), default=0)
    widest = max(widest, *(len(word) for word in column.header.split()))
    narrow, wide = _METHOD_WIDTH
    return min(max(widest, narrow), wide) if column.key == "method" else widest


def _table(columns: Sequence[TextColumn], blocks: Sequence[Block]) -> Table:
    padding = (0, _GAP - 1, 0, 0)  # the box puts one more space between columns
    table = Table(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False)
    for column in columns:
        width = _width(column, blocks)
        table.add_column(
            Text("\n".join(column.header.split())),
            justify="right" if column.numeric else "left",
            min_width=width,
            max_width=width,
            overflow="fold",
        )
    for block in blocks:
        rows = rows_with_numbers(block, columns)
        if (rows and block.kind != "methods") or not block.rows:
            table.add_section()
            table.add_row(*_heading(columns, block))
        for row in rows:
            table.add_row(*(_cell(row.get(c.key, TextCell()), block) for c in columns))
    return table


def _heading(columns: Sequence[TextColumn], block: Block) -> list[Text]:
    return [Text(block.short if c.key == "method" else "", style="italic") for c in columns]


def _cell(cell: TextCell, block: Block) -> Text:
    style = "bold" if cell.best else "dim" if block.kind == "reported" else ""
    text = Text(cell.marked, style=style)
    if cell.interval:
        text.append(f"\n{cell.interval}", style="dim")
    return text


def _extra(extra: Extra) -> RenderableType:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for name in extra.header:
        table.add_column(Text(name), overflow="fold")
    for row in extra.rows:
        table.add_row(*(Text(value) for value in row))
    return Group(Text(f"\n{extra.title}", style="bold"), table)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """A small table as plain text: names to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for place, name in enumerate(header):
        table.add_column(Text(name), justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain_lines(value)) for value in row))
    return to_text(table, width)


def to_text(renderable: RenderableType, width: int) -> str:
    """Plain text of a renderable, without colours."""
    console = Console(width=width, no_color=True, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in plain_lines(capture.get()).splitlines()) + "\n"
