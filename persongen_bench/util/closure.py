"""The source files that a module runs: its import closure, read from the files alone.

Nothing is imported. An import counts wherever it stands, inside functions too; one for type
checkers alone (``if TYPE_CHECKING:``) does not. What is imported by a name made at run time, as
`importlib.import_module` does, is not seen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Collection, Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

from persongen_bench.core.errors import ConfigError

OWN = "persongen_bench"
"""This package. Its ``__init__`` is a door to everything: importing a module behind it is no use
of it, and only who takes a name from it has it in the closure."""


class Import(NamedTuple):
    """One name that a file imports, as written."""

    level: int
    """Leading dots; 0 for a full name."""
    module: str
    name: str
    """What is taken from the module; empty for ``import module``."""


def import_closure(modules: Iterable[str]) -> dict[str, Path]:
    """Every module that ``modules`` import, directly or not, and the file of each.

    It holds the modules themselves, the ``__init__`` of each package on the way, and nothing
    outside this package and the top-level packages of ``modules``: libraries are not followed.
    Raises `ConfigError` for a module whose file is not found, or is no valid Python.
    """
    given = tuple(modules)
    for name in given:
        if file_of(name) is None:
            raise ConfigError(f"module {name} has no source file on the import path")
    packages = {OWN} | {name.partition(".")[0] for name in given}
    files: dict[str, Path] = {}
    waiting = list(given)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += _packages_above(name)
        file = file_of(name)
        if file is not None:
            files[name] = file
            waiting += _targets(name, file, packages)
    return dict(sorted(files.items()))


def code_hash(modules: Iterable[str]) -> str:
    """First 16 hex digits of the sha256 of the import closure of ``modules``.

    Computed once per process: what runs is what was imported, whatever became of the files.
    """
    return _closure_hash(tuple(sorted(set(modules))))


@functools.cache
def _closure_hash(modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name, file in import_closure(modules).items():
        content = _content(file)
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def file_of(module: str) -> Path | None:
    """The file of a module; None where there is none, as for ``__main__`` or a namespace."""
    spec = _spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


@functools.cache
def _spec(module: str) -> ModuleSpec | None:
    """Where a module lies, found without importing it or its parent packages."""
    parent = module.rpartition(".")[0]
    if parent:
        above = _spec(parent)
        places = above.submodule_search_locations if above else None
        return None if places is None else PathFinder.find_spec(module, places)
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # in use without a spec, as `__main__` is
        return None
    return spec if spec and spec.name == module else None


def _packages_above(module: str) -> Iterator[str]:
    """The packages that are executed before ``module`` is, without our own door."""
    parent = module.rpartition(".")[0]
    while parent and parent != OWN:
        yield parent
        parent = parent.rpartition(".")[0]


def _targets(module: str, file: Path, packages: Collection[str]) -> Iterator[str]:
    """Full names of the modules of ``packages`` that a module's file imports."""
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for level, base, name in imports_of(file):
        source = _absolute(level, base, package)
        if source.partition(".")[0] in packages:
            inner = f"{source}.{name}"
            yield inner if name and _spec(inner) else source


def _absolute(level: int, base: str, package: str) -> str:
    """``base`` without its leading dots; empty where they lead out of the top-level package."""
    if not level:
        return base
    above = package.split(".")
    kept = above[: max(0, len(above) - level + 1)]
    return ".".join([*kept, base] if base and kept else kept)


@functools.cache
def _content(file: Path) -> bytes:
    return file.read_bytes()


@functools.cache
def imports_of(file: Path) -> tuple[Import, ...]:
    """What a Python file imports, in order; nothing for a compiled one.

    Raises `ConfigError` where it is no valid Python.
    """
    if file.suffix != ".py":
        return ()
    try:
        return tuple(imports_in(ast.parse(_content(file))))
    except SyntaxError as error:
        raise ConfigError(f"{file}: line {error.lineno}: {error.msg}") from None


def imports_in(node: ast.AST) -> Iterator[Import]:
    """What the statements below ``node`` import when they run."""
    for child in _statements(node):
        if isinstance(child, ast.Import):
            yield from (Import(0, alias.name, "") for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            yield from (Import(child.level, base, alias.name) for alias in child.names)
        else:
            yield from imports_in(child)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements right below ``node``; an import is one, so expressions are left out."""
    if isinstance(node, ast.If) and _for_type_checkers(node.test):
        yield from node.orelse
        return
    blocks = (ast.stmt, ast.ExceptHandler, ast.match_case)
    yield from (child for child in ast.iter_child_nodes(node) if isinstance(child, blocks))


def _for_type_checkers(test: ast.expr) -> bool:
    """Whether ``test`` is ``TYPE_CHECKING``, by itself or as an attribute of `typing`."""
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING"
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
