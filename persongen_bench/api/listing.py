"""What is registered, told without importing it."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from persongen_bench.core.declared import spec_of
from persongen_bench.core.registry import Entry
from persongen_bench.core.regular_files import read_regular
from persongen_bench.core.seams import cause_of

BROKEN = "broken:"
SOURCELESS = "(source not found)"
MOST_SOURCE = 1 << 24
"""Bytes of a source file that is read."""


def summary(entry: Entry) -> str:
    """First line of the implementation's docstring, read from its source file.

    What was registered at run time is imported already, and asked itself. What cannot be used, as
    far as the source tells, is marked ``broken:`` with why; never raises.
    """
    if entry.problem:
        return f"{BROKEN} {entry.problem}"
    try:
        return _read(entry)
    except Exception as error:  # noqa: BLE001  # source of others, which may hold anything
        return f"{BROKEN} {cause_of(error)}"


def _read(entry: Entry) -> str:
    point = entry.point
    if point is None:
        return (inspect.getdoc(entry.implementation) or "").partition("\n")[0]
    tree = _tree(point.module)
    if tree is None:
        return SOURCELESS
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == point.attr:
            return _first_line(node)
        if isinstance(node, ast.ImportFrom) and node.module and _brings(node, point.attr):
            inner = _tree(node.module)
            classes = [n for n in inner.body if isinstance(n, ast.ClassDef)] if inner else []
            return next((_first_line(n) for n in classes if n.name == point.attr), "")
    return _first_line(tree)


def _tree(module: str) -> ast.Module | None:
    """Syntax tree of a module's file, found without importing it or its parent packages."""
    spec = spec_of(module)
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return ast.parse(read_regular(Path(spec.origin), "source", MOST_SOURCE), spec.origin)


def _brings(node: ast.ImportFrom, name: str) -> bool:
    return any(alias.name == name for alias in node.names)


def _first_line(node: ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
