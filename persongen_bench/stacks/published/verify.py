"""Are the files of a published stack what was published? Sizes, tensors, checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from persongen_bench.core.errors import DataError, PgbenchError
from persongen_bench.stacks.diffusion.hub_layout import WeightFile, difference, read_tensors
from persongen_bench.stacks.diffusion.random_weights import Blueprint
from persongen_bench.stacks.judges.files import JUDGES
from persongen_bench.stacks.language.files import LANGUAGE
from persongen_bench.stacks.published.blueprints import FULL
from persongen_bench.stacks.published.digests import remembered_sha256
from persongen_bench.stacks.published.locate import Place, Places

State = Literal["ok", "missing", "wrong"]
Look: TypeAlias = "Callable[[Place], str | None]"
"""Says what is wrong with the tensors of a file, None where nothing is."""


@dataclass(frozen=True)
class Check:
    """What became of one file."""

    place: Place
    state: State
    detail: str
    """What was checked, or what is wrong."""


def verify(places: Places, *, checksums: bool = True) -> Iterator[Check]:
    """Check the files one by one; without ``checksums`` only sizes and tensors, in no time."""
    look = _look_at(places.manifest.stack)
    for place in places.files:
        yield _check(place, look, checksums=checksums)


def _look_at(stack: str) -> Look:
    if stack == JUDGES.stack:
        return _wrong_judge
    return _wrong_language if stack == LANGUAGE.stack else _look(FULL[stack])


def _check(place: Place, look: Look, *, checksums: bool) -> Check:
    if place.n_bytes is None:
        return Check(place, "missing", "not there")
    wrong = _wrong_size(place) or look(place)
    if wrong is None and checksums:
        wrong = _wrong_checksum(place)
    return Check(place, "wrong", wrong) if wrong else Check(place, "ok", _said(place, checksums))


def _wrong_size(place: Place) -> str | None:
    if place.file.n_bytes in (None, place.n_bytes):
        return None
    return f"{place.n_bytes:,} bytes, expected {place.file.n_bytes:,}"


def _look(blueprint: Blueprint) -> Look:
    """The tensors of a stack's weight files."""

    def wrong_tensors(place: Place) -> str | None:
        weights = blueprint[place.label]
        if not isinstance(weights, WeightFile):
            return None
        try:
            return difference(read_tensors(place.path), weights.tensors)
        except DataError as error:
            return str(error)

    return wrong_tensors


def _wrong_judge(place: Place) -> str | None:
    """The tensors of a judge's weight files."""
    from persongen_bench.stacks.judges import layouts

    try:
        return layouts.wrong(place.label, place.path)
    except PgbenchError as error:
        return str(error)


def _wrong_language(place: Place) -> str | None:
    """The tensors of the language group's weight files."""
    from persongen_bench.stacks.language import layouts

    return layouts.wrong(place.label, place.path)


def _wrong_checksum(place: Place) -> str | None:
    if place.file.sha256 is None:
        return None
    sha256 = remembered_sha256(place.path)
    if sha256 == place.file.sha256:
        return None
    return f"sha256 {sha256[:12]}..., expected {place.file.sha256[:12]}..."


def _said(place: Place, checksums: bool) -> str:
    """Which checks a good file has passed; a pin that does not exist is not passed over."""
    if place.file.n_bytes is None and place.file.sha256 is not None:
        return "sha256; size not pinned" if checksums else "there; size not pinned"
    if place.file.n_bytes is None:
        return "there; neither size nor sha256 pinned"
    if place.file.sha256 is None:
        return "size; sha256 not pinned"
    return "size and sha256" if checksums else "size; sha256 not computed"
