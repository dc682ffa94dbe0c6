"""The source of classes that no module file holds: those of a notebook or a script."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from persongen_bench.core.errors import ConfigError
from persongen_bench.util import closure


def source_hash(cls: type) -> str:
    """First 16 hex digits of the sha256 of the source of ``cls`` and of what it names.

    What it names is looked up where it was defined: functions and classes beside it count by their
    source, plain values by what they are, and modules of this package by their import closure;
    other objects and other modules do not count.
    Raises `ConfigError` where the source of one of them cannot be had.
    """
    texts, modules = _gather(cls)
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    digest.update(closure.code_hash(modules).encode())
    return digest.hexdigest()[:16]


def _gather(cls: type) -> tuple[dict[str, str], set[str]]:
    """Sources and plain values by name; modules of this package that are used."""
    space = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    texts: dict[str, str] = {}
    modules: set[str] = set()
    cells: list[str] = []
    waiting: list[tuple[str, object]] = [(cls.__name__, cls)]
    while waiting:
        name, value = waiting.pop()
        if name in texts:
            continue
        home = value.__name__ if isinstance(value, ModuleType) else _home(value)
        if home.partition(".")[0] == closure.OWN:
            modules.add(home)
        elif isinstance(value, type | FunctionType) and home == cls.__module__:
            texts[name] = _source(value, cells)
            tree = ast.parse(texts[name])
            modules |= set(_own_modules(tree))
            waiting += _named(texts[name], space)
        elif (plain := _plain(value)) is not None:
            texts[name] = plain
    return texts, modules


def _home(value: object) -> str:
    """Module of a function or a class, or of the class of anything else."""
    own = isinstance(value, type | FunctionType)
    return str(value.__module__ if own else type(value).__module__)


def _named(text: str, space: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What a source looks up beside itself; arguments and variables of its own do not count."""
    names, waiting = set(), [symtable.symtable(text, "<source>", "exec")]
    while waiting:
        scope = waiting.pop()
        waiting += scope.get_children()
        names |= {s.get_name() for s in scope.get_symbols() if s.is_referenced() and s.is_global()}
    for name in sorted(names & space.keys()):
        value = space[name]
        wrapped = callable(value) and not isinstance(value, type)
        yield name, inspect.unwrap(value) if wrapped else value


def _own_modules(tree: ast.AST) -> Iterator[str]:
    """Modules of this package that are imported inside a function."""
    for _, base, name in closure.imports_in(tree):
        inner = f"{base}.{name}"
        module = inner if name and closure.file_of(inner) else base
        if module.partition(".")[0] == closure.OWN:
            yield module


def _plain(value: object) -> str | None:
    """Numbers, strings, and lists and tables of them as text; None for anything else."""
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return None


def _source(thing: type | FunctionType, cells: list[str]) -> str:
    """Source of a function or a class; notes in ``cells`` where functions were defined."""
    members = vars(thing).values() if isinstance(thing, type) else [thing]
    cells += [m.__code__.co_filename for m in members if isinstance(m, FunctionType)]
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        text = _class_source(thing.__name__, reversed(cells))
    if text is None:
        raise ConfigError(
            f"the source of {thing.__qualname__} in {thing.__module__} cannot be read, "
            "so that a changed method could not be told from an unchanged one",
            fix="Define it in a file, or in the notebook cell of the method.",
        )
    return text


def _class_source(name: str, cells: Iterable[str]) -> str | None:
    """The last definition of a class in the first of ``cells`` that has one.

    `inspect` finds functions of a notebook by their cell, but no classes.
    """
    for cell in cells:
        lines = linecache.getlines(cell)
        tree = ast.parse("".join(lines))
        same = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name]
        if same:
            last = same[-1]
            first = min([last.lineno, *(n.lineno for n in last.decorator_list)])
            return textwrap.dedent("".join(lines[first - 1 : last.end_lineno]))
    return None
