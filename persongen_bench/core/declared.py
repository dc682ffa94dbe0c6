"""What the installed distributions declare for this package, and which of it contradicts itself.

``importlib.metadata.entry_points`` keeps the first of several distributions with one name without
a word; here the others are told.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata, resources
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, EntryPoint
from importlib.resources.abc import Traversable
from pathlib import Path

_VALUE = re.compile(r"[A-Za-z_][\w.]*\s*:\s*[A-Za-z_][\w.]*\s*(\[.*\])?")


@dataclass(frozen=True)
class Declared:
    """One entry point, with whose it is."""

    distribution: str
    point: EntryPoint
    own: bool = False
    """Whether it is of this package."""
    problem: str = ""
    """Why it cannot be used; empty: nothing is known against it."""


def declarations(group: str, own: str) -> Iterator[Declared]:
    """The entry points of a group, of every distribution, in the order of the import path.

    Of this package (``own``) those of the copy that comes first. An entry that two distributions
    of one name bring, each with a module of its own, is told by its problem: which of the two
    would be imported hangs on the path.
    """
    kept: dict[tuple[bool, str, str], tuple[Distribution, Declared]] = {}
    own_seen = False
    for distribution in metadata.distributions():
        mine = _of(distribution, group, own)
        if mine and mine[0].own and own_seen:
            continue
        own_seen = own_seen or bool(mine and mine[0].own)
        for one in mine:
            key = one.own, _normal(one.distribution), one.point.name
            before = kept.setdefault(key, (distribution, one))
            if before[1] is not one and (why := _double(before, (distribution, one))):
                kept[key] = before[0], replace(before[1], problem=before[1].problem or why)
    yield from (one for _, one in kept.values())


def _of(distribution: Distribution, group: str, own: str) -> list[Declared]:
    """What one distribution declares in a group."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:  # noqa: BLE001  # a folder without rights, bytes that are no text: not known to be ours
        return []
    if f"[{group}]" not in "".join(text.split()):
        return []
    try:
        name = str(distribution.metadata["Name"] or "unnamed")
    except Exception:  # noqa: BLE001  # no METADATA
        name = "unnamed"
    try:
        points = [p for p in distribution.entry_points if p.group == group]
    except Exception:  # noqa: BLE001  # lines that the parser of the library stumbles over
        point = EntryPoint("unreadable", "entry_points.txt", group)
        return [Declared(name, point, problem="has a damaged entry_points.txt")]
    if _normal(name) != _normal(own):
        return [Declared(name, point) for point in points]
    package = f"{own.replace('-', '_')}."
    theirs = [p for p in points if not p.value.startswith(package)]
    if len(theirs) == len(points):
        why = f"is of a distribution that calls itself {own} and is another one"
        return [Declared(own, point, problem=why) for point in theirs]
    return [Declared(own, point, own=True) for point in points if point not in theirs]


def _double(
    first: tuple[Distribution, Declared], second: tuple[Distribution, Declared]
) -> str | None:
    """Why two entries of one name cannot be told apart; None where they are one installation."""
    values = [one.point.value for _, one in (first, second)]
    if first[0] is second[0]:
        return None if values[0] == values[1] else f"is registered twice, as {' and '.join(values)}"
    if values[0] == values[1]:
        files = {_module_file(*one) for one in (first, second)} - {None}
        if len(files) < 2:
            return None
    names = " and ".join(
        f"{one.distribution} {_version(distribution)}" for distribution, one in (first, second)
    )
    return f"is registered by two distributions, {names}; uninstall one"


def _module_file(distribution: Distribution, declared: Declared) -> Path | None:
    """Where a distribution holds the module of an entry; None where it does not hold it."""
    place = declared.point.value.partition(":")[0].strip().replace(".", "/")
    for name in (f"{place}.py", f"{place}/__init__.py"):
        try:
            file = Path(str(distribution.locate_file(name)))
            if file.is_file():
                return file.resolve()
        except (OSError, ValueError):
            continue
    return None


def spec_of(module: str) -> ModuleSpec:
    """Where a module lies, without importing it or the packages it is in.

    Raises `ModuleNotFoundError` where there is none.
    """
    top, *names = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in names:
        if spec is None:
            break
        full = f"{spec.name}.{name}"
        spec = PathFinder.find_spec(full, spec.submodule_search_locations)
    if spec is None:
        raise ModuleNotFoundError(f"there is no module {module}")
    return spec


def folder_of(module: str) -> Traversable:
    """The folder of a package, which is not imported where it lies in one as usual."""
    for place in spec_of(module).submodule_search_locations or ():
        if Path(place).is_dir():
            return Path(place)
    return resources.files(module)


def _version(distribution: Distribution) -> str:
    try:
        return str(distribution.metadata["Version"])
    except Exception:  # noqa: BLE001  # no METADATA
        return "of no version"


def _normal(name: str) -> str:
    """A distribution's name as installers compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entry_trouble(point: EntryPoint) -> str:
    """What is wrong with the value of an entry point; empty: nothing."""
    if _VALUE.fullmatch(point.value):
        return ""
    return f"has the value {point.value!r}; expected module:name"
