"""Code of one package that stands where another's should: what was patched while it ran."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType

WATCHED = ("persongen_bench", "numpy", "pandas", "torch", "scipy", "sklearn")
"""Packages that are looked through, as far as they are loaded."""


def patched_from(places: Iterable[Path]) -> list[str]:
    """Functions and methods of `WATCHED` whose code lies in these folders or files.

    A package that is watched itself may hold its own code.
    """
    foreign = tuple(str(place) for place in places if place.name not in WATCHED)
    return [name for name, file in _functions() if file.startswith(foreign)] if foreign else []


def code_of(cls: type) -> Path:
    """Where the code of a plugin lies: its package's folder, or its only file."""
    top = sys.modules[cls.__module__.partition(".")[0]]
    file = Path(str(vars(top).get("__file__") or f"{cls.__module__} is in no file"))
    return file.parent if file.name == "__init__.py" else file


def _functions() -> Iterator[tuple[str, str]]:
    """Names, and the files that their code is of."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] not in WATCHED or module is None:
            continue
        for key, value in list(vars(module).items()):
            if type(value) is FunctionType:
                yield f"{name}.{key}", value.__code__.co_filename
            elif issubclass(type(value), type) and value.__module__ == name:
                yield from _of_class(f"{name}.{key}", value)


def _of_class(name: str, cls: type) -> Iterator[tuple[str, str]]:
    for key, value in list(vars(cls).items()):
        for one in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            if isinstance(one, FunctionType):
                yield f"{name}.{key}", one.__code__.co_filename
