"""Run the cells of the tutorial and write what they print below them.

``python docs/run_tutorial.py [--check]``: with ``--check`` nothing is written; the exit status is 1
where the page shows something else than what its cells print, numbers up to a rounding.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

DOCS = Path(__file__).parent
PAGE = DOCS / "tutorial.md"
PICTURE = DOCS / "images" / "tutorial-contact-sheet.png"
ROWS = 0.346
"""Share of the contact sheet's height: four people of twelve."""
CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.M | re.S)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
NEAR = 0.02
"""Another machine may round elsewhere: largest difference of two numbers that count as equal."""


class Session:
    """A notebook without a browser: cells share a namespace, and their source can be read."""

    def __init__(self, name: str = "tutorial_cells") -> None:
        self.module = ModuleType(name)
        sys.modules[name] = self.module
        self.n_cells = 0

    @property
    def names(self) -> Mapping[str, Any]:
        """Everything that the cells defined."""
        return vars(self.module)

    def run(self, source: str) -> str:
        """What a cell prints, and the representation of its last expression unless None."""
        self.n_cells += 1
        name = f"<{self.module.__name__}-{self.n_cells}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        *body, last = ast.parse(source).body
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if isinstance(last, ast.Expr):
                self._do(ast.Module(body, []), name)
                code = _code(ast.Expression(last.value), name)
                value = eval(code, vars(self.module))  # a cell of our own page
                if value is not None:
                    printed.write(f"{value!r}\n")
            else:
                self._do(ast.Module([*body, last], []), name)
        return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())

    def _do(self, tree: ast.Module, name: str) -> None:
        exec(_code(tree, name), vars(self.module))  # a cell of our own page


def _code(tree: ast.Module | ast.Expression, name: str) -> Any:  # noqa: ANN401  # a code object
    return compile(tree, name, "exec" if isinstance(tree, ast.Module) else "eval")


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder to work in, with a cache of its own; gone afterwards."""
    before, cache = Path.cwd(), os.environ.get("PGBENCH_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PGBENCH_CACHE"] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            os.environ.pop("PGBENCH_CACHE")
            if cache is not None:
                os.environ["PGBENCH_CACHE"] = cache


def cells(page: str) -> list[tuple[str, str]]:
    """Source of every cell, and what the page says that it prints."""
    return [(match[1], match[2] or "") for match in CELL.finditer(page)]


def shown(page: str, printed: list[str]) -> str:
    """The page with this below its cells."""
    outputs = iter(printed)

    def with_output(match: re.Match[str]) -> str:
        output = next(outputs)
        return f"```python\n{match[1]}```\n" + (f"\n```text\n{output}```\n" if output else "")

    return CELL.sub(with_output, page)


def same(one: str, other: str) -> bool:
    """Whether two outputs agree but for spaces and the last digits of their numbers."""
    words = [NUMBER.sub("#", text).split() for text in (one, other)]
    numbers = [list(map(float, NUMBER.findall(text))) for text in (one, other)]
    near = all(abs(a - b) <= NEAR * max(1, abs(a)) for a, b in zip(*numbers, strict=False))
    return words[0] == words[1] and len(numbers[0]) == len(numbers[1]) and near


def execute(page: str) -> tuple[list[str], Mapping[str, Any]]:
    """What the cells of a page print, and the names they leave; call it in a folder to work in."""
    import pandas as pd

    session = Session()
    with pd.option_context("display.width", 100, "display.max_columns", None):
        return [session.run(source) for source, _ in cells(page)], session.names


def draw(contact_sheet: Path) -> None:
    """Keep the first rows of a contact sheet, small."""
    from PIL import Image

    with Image.open(contact_sheet) as sheet:
        rows = sheet.convert("RGB").crop((0, 0, sheet.width, round(ROWS * sheet.height)))
        rows.quantize(64).save(PICTURE, optimize=True)


def main() -> int:
    """Write the page, or say which cells are stale."""
    page = PAGE.read_text(encoding="utf-8")
    with own_folder():
        printed, names = execute(page)
        if "--check" not in sys.argv[1:]:
            draw(names["run"].contact_sheet)
            PAGE.write_text(shown(page, printed), encoding="utf-8")
            return 0
    told = [output for _, output in cells(page)]
    stale = [k for k, pair in enumerate(zip(told, printed, strict=True)) if not same(*pair)]
    for k in stale:
        sys.stderr.write(f"cell {k + 1} prints {printed[k]!r}, the page shows {told[k]!r}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
