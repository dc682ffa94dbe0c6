"""What is registered, told without importing it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from importlib.machinery import PathFinder
from pathlib import Path

from persongen_bench.core.registry import Entry


def summary(entry: Entry) -> str:
    """First line of the implementation's docstring, read from its source file.

    What was registered at run time is imported already, and asked itself.
    """
    point = entry.point
    if point is None:
        return (inspect.getdoc(entry.implementation) or "").partition("\n")[0]
    tree = _tree(point.module)
    if tree is None:
        return "(source not found)"
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
    top, *names = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in names:
        if spec is None:
            break
        full = f"{spec.name}.{name}"
        spec = PathFinder.find_spec(full, spec.submodule_search_locations)
    if spec is None or spec.origin is None:
        return None
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _brings(node: ast.ImportFrom, name: str) -> bool:
    return any(alias.name == name for alias in node.names)


def _first_line(node: ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
