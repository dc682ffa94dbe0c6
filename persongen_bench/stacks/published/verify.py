"""Are the files of a published stack what was published? Sizes, tensors, checksums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from persongen_bench.errors import DataError
from persongen_bench.stacks.diffusion.hub_layout import WeightFile, difference, read_tensors
from persongen_bench.stacks.published.blueprints import FULL
from persongen_bench.stacks.published.digests import remembered_sha256
from persongen_bench.stacks.published.locate import Place, Places

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True)
class Check:
    """What became of one file."""

    place: Place
    state: State
    detail: str
    """What was checked, or what is wrong."""


def verify(places: Places, *, checksums: bool = True) -> Iterator[Check]:
    """Check the files one by one; without ``checksums`` only sizes and tensors, in no time."""
    blueprint = FULL[places.manifest.stack]
    for place in places.files:
        content = blueprint[place.label]
        weights = content if isinstance(content, WeightFile) else None
        yield _check(place, weights, checksums=checksums)


def _check(place: Place, weights: WeightFile | None, *, checksums: bool) -> Check:
    if place.n_bytes is None:
        return Check(place, "missing", "not there")
    wrong = _wrong_size(place) or _wrong_tensors(place, weights)
    if wrong is None and checksums:
        wrong = _wrong_checksum(place)
    return Check(place, "wrong", wrong) if wrong else Check(place, "ok", _said(place, checksums))


def _wrong_size(place: Place) -> str | None:
    if place.file.n_bytes in (None, place.n_bytes):
        return None
    return f"{place.n_bytes:,} bytes, expected {place.file.n_bytes:,}"


def _wrong_tensors(place: Place, weights: WeightFile | None) -> str | None:
    if weights is None:
        return None
    try:
        return difference(read_tensors(place.path), weights.tensors)
    except DataError as error:
        return str(error)


def _wrong_checksum(place: Place) -> str | None:
    if place.file.sha256 is None:
        return None
    found = remembered_sha256(place.path)
    if found == place.file.sha256:
        return None
    return f"sha256 {found[:12]}..., expected {place.file.sha256[:12]}..."


def _said(place: Place, checksums: bool) -> str:
    """Which checks a good file has passed; a pin that does not exist is not passed over."""
    if place.file.n_bytes is None:
        return "there; neither size nor sha256 pinned"
    if place.file.sha256 is None:
        return "size; sha256 not pinned"
    return "size and sha256" if checksums else "size; sha256 not computed"
