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
    own = [str(place.resolve()) for place in places]
    foreign = [one for one in own if not _is_watched(one)]
    return (
        [name for name, code in _functions() if code.startswith(tuple(foreign))] if foreign else []
    )


def _is_watched(place: str) -> bool:
    return any(part in WATCHED for part in Path(place).parts[-1:])


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
