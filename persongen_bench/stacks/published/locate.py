"""Where the files of a published stack lie: in a local folder or in the hub's cache.

A local folder holds a copy of each repository under the last part of its id::

    FOLDER/stable-diffusion-v1-5/unet/...   FOLDER/IP-Adapter/models/...

It is the one the caller names, else ``$PGBENCH_MODELS/<stack>`` where that exists. Without one
the files are looked for in the cache of the huggingface_hub library, at the pinned commit and at
no other; files that are not on the hub lie in our own cache, ``models/<repository>``. Nothing
here opens a connection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.published.manifest import HubFile, HubRepo, Manifest
from persongen_bench.util.files import cache_root

VARIABLE = "PGBENCH_MODELS"


class MissingWeightsError(ConfigError):
    """Files of a published stack are not on this machine."""


@dataclass(frozen=True)
class Place:
    """A file of the manifest and where it lies, or would lie."""

    repo: HubRepo
    file: HubFile
    path: Path

    @property
    def n_bytes(self) -> int | None:
        """Size on disk; None where there is no such file."""
        return self.path.stat().st_size if self.path.is_file() else None

    @property
    def label(self) -> str:
        """``<repository>/<path>``, the same wherever it lies."""
        return f"{self.repo.folder}/{self.file.path}"


@dataclass(frozen=True)
class Places:
    """Every file of a stack, in the order of its manifest."""

    manifest: Manifest
    root: Path
    """The local folder, or the hub's cache."""
    local: bool
    files: tuple[Place, ...]

    @property
    def command(self) -> str:
        """What fetches the files."""
        return f"pgbench models pull {self.manifest.stack}"

    @property
    def missing(self) -> tuple[Place, ...]:
        """Files that are not there."""
        return tuple(place for place in self.files if place.n_bytes is None)

    def of(self, prefixes: Iterable[str]) -> tuple[Place, ...]:
        """Files whose label begins with one of ``prefixes``."""
        wanted = tuple(prefixes)
        return tuple(place for place in self.files if place.label.startswith(wanted))

    def folder(self, repo: HubRepo) -> Path:
        """The folder of a repository of the manifest."""
        return _folder(self.root, repo, local=self.local)

    def require(self) -> None:
        """Raise `MissingWeightsError`, one line, where a file is missing."""
        missing = self.missing
        if not missing:
            return
        first, size = missing[0], sum(place.file.n_bytes or 0 for place in missing)
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MissingWeightsError(
            f"stack {self.manifest.stack}: {first.file.path} of {first.repo.repo_id}{more} "
            f"({size / 1e9:.2f} GB) not found in {self.root}",
            fix=f"Run `{self.command}`, or name a folder that has them in ${VARIABLE}.",
        )


def local_root(stack: str) -> Path | None:
    """``$PGBENCH_MODELS/<stack>``, where it is a folder."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) / stack if named else None
    return folder if folder is not None and folder.is_dir() else None


def unpinned_place(group: str, name: str, folder: Path | None) -> Path | None:
    """``folder/group/name``, else ``$PGBENCH_MODELS/group/name``; None where that is no folder.

    For repositories that no manifest pins.
    """
    root = folder / group if folder is not None else local_root(group)
    place = None if root is None else root / name
    return place if place is not None and place.is_dir() else None


def pull_target(stack: str, folder: Path | None) -> Path | None:
    """Where a download goes: ``folder``, else ``$PGBENCH_MODELS/<stack>``; None: the cache."""
    named = os.environ.get(VARIABLE)
    return folder or (Path(named) / stack if named else None)


def hub_cache() -> Path:
    """The cache folder of the huggingface_hub library (``$HF_HUB_CACHE``, ``$HF_HOME``)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def locate(manifest: Manifest, folder: Path | None = None) -> Places:
    """Every file of ``manifest``, in ``folder`` or where the module's text says."""
    named = folder or local_root(manifest.stack)
    root, local = (hub_cache(), False) if named is None else (named, True)
    places = [
        Place(repo, file, _folder(root, repo, local=local) / file.path)
        for repo, file in manifest.files()
    ]
    return Places(manifest, root, local, tuple(places))


def _folder(root: Path, repo: HubRepo, *, local: bool) -> Path:
    if local:
        return root / repo.folder
    if repo.url is not None:
        return cache_root() / "models" / repo.folder
    from huggingface_hub.file_download import repo_folder_name

    stored = repo_folder_name(repo_id=repo.repo_id, repo_type="model")
    return root / stored / "snapshots" / repo.revision
