"""What a manifest of published models says: repositories, revisions, files, sizes, checksums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class HubFile:
    """One file of a repository."""

    path: str
    n_bytes: int | None
    """Published size; None: not known to us, so that nothing about it is checked but its content
    as far as `persongen_bench.stacks.published.blueprints` describes it."""
    sha256: str | None = None
    """Published checksum; None: not pinned, and `verify` says so."""


@dataclass(frozen=True)
class HubRepo:
    """A repository of the model hub at one commit, and the part of it that a stack reads.

    With ``url`` one elsewhere, whose files are told by their checksums alone.
    """

    repo_id: str
    revision: str
    """Commit; the hub serves it unchanged for good. With ``url``: commit or release."""
    license: str
    files: tuple[HubFile, ...]
    note: str = ""
    url: str | None = None
    """Address of the folder of the files, where they are not on the hub."""

    @property
    def folder(self) -> str:
        """Name of its folder in a local copy: the last part of its id."""
        return self.repo_id.rpartition("/")[2]


@dataclass(frozen=True)
class Manifest:
    """Everything a published stack, or the judges, would download."""

    stack: str
    title: str
    repos: tuple[HubRepo, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Size of the download, as far as the sizes are known."""
        return sum(file.n_bytes or 0 for _, file in self.files())

    def files(self) -> Iterator[tuple[HubRepo, HubFile]]:
        """Every file with its repository."""
        for repo in self.repos:
            for file in repo.files:
                yield repo, file
