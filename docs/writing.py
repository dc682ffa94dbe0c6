"""What the generated pages share: headings, tables, the first words of a docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

MARK = "<!-- Written by docs/generate.py from the registry; do not edit. -->"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell(value) for value in line)} |" for line in lines]


def cell(value: object) -> str:
    """One cell: one line, bars escaped."""
    return " ".join(str(value).split()).replace("|", "\\|")


def summary(thing: object) -> str:
    """First paragraph of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def page(title: str, introduction: str, body: Iterable[str]) -> str:
    """A whole page; the double backticks of docstrings become Markdown's single ones."""
    text = "\n".join([f"# {title}", "", MARK, "", introduction, "", *body])
    return re.sub(r"(?<!`)``(?!`)", "`", text).rstrip() + "\n"
