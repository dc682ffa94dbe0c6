"""Files of one published model: there, and what was published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.published.digests import combined_sha256, remembered_sha256
from persongen_bench.stacks.published.locate import Place, Places
from persongen_bench.stacks.published.manifest import HubRepo


@dataclass(frozen=True)
class Opened:
    """Files that were checked."""

    paths: tuple[Path, ...]
    sha256: str
    """Over all of them, as a signature says it."""


def pinned_files(places: Places, repo: HubRepo, prefix: str = "") -> Opened:
    """Files of a repository whose paths begin with ``prefix``, in the manifest's order.

    Raises `MissingWeightsError` where one is not there, `ConfigError` where one is not the
    published file.
    """
    wanted = places.of([f"{repo.folder}/{prefix}"])
    replace(places, files=wanted, root=places.folder(repo)).require()
    for place in wanted:
        _require_published(place, places.command)
    return Opened(tuple(place.path for place in wanted), combined_sha256(wanted))


def _require_published(place: Place, command: str) -> None:
    if place.file.sha256 is None:
        return
    sha256 = remembered_sha256(place.path)
    if sha256 != place.file.sha256:
        raise ConfigError(
            f"{place.path}: sha256 {sha256[:12]}..., expected {place.file.sha256[:12]}...",
            fix=f"Remove it and run `{command}` again.",
        )
