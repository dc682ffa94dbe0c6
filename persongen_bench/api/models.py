"""The files of the models: fetch the published ones, find them, check them; train our own.

Only `pull` opens a connection; everything else works from what lies on this machine.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.near import near_miss
from persongen_bench.core.plain import plain, plain_lines
from persongen_bench.stacks.judges.files import JUDGES
from persongen_bench.stacks.language.files import LANGUAGE
from persongen_bench.stacks.published.files import MANIFESTS
from persongen_bench.stacks.published.locate import Place, Places, locate, pull_target
from persongen_bench.stacks.published.manifest import HubRepo, Manifest
from persongen_bench.util.printed import console as _console
from persongen_bench.util.progress import bars

if TYPE_CHECKING:
    from rich.console import Console

    from persongen_bench.stacks.published.verify import Check

BUILT = ("sandbox", "sprites", "tasteworld-loras")
"""What `pgbench models build` trains."""
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def manifest(stack: str) -> Manifest:
    """The files of a published stack; an unknown name raises with the known ones."""
    if stack not in MANIFESTS:
        raise UnknownNameError(
            f"no published stack is called {stack!r}",
            fix=near_miss(stack, MANIFESTS, f"Choose {' or '.join(MANIFESTS)}."),
        )
    return MANIFESTS[stack]


def downloads(name: str) -> Manifest:
    """The files of a published stack, or of a group that all share; an unknown name raises."""
    groups = {group.stack: group for group in (JUDGES, LANGUAGE)}
    if name in groups:
        return groups[name]
    try:
        return manifest(name)
    except UnknownNameError as error:
        more = " or ".join(groups)
        raise UnknownNameError(f"{error.args[0].removesuffix('.')} or {more}.") from None


def where(stack: str, folder: Path | None) -> None:
    """Print every file of a stack: found or missing, size, place."""
    places = locate(downloads(stack), folder)
    console = _console()
    _print_heading(console, places.manifest)
    for repo in places.manifest.repos:
        _print_repo(console, repo, places.folder(repo))
        for place in _of(places, repo):
            state = "missing" if place.n_bytes is None else "found"
            console.print(f"  {state:<8}{_size(place):>16}  {plain(place.file.path)}")
    missing = sum(place.file.n_bytes or 0 for place in places.missing)
    console.print(
        f"{len(places.files)} files, {places.manifest.n_bytes:,} bytes; "
        f"{len(places.missing)} missing, {missing:,} bytes"
    )


def check(stack: str, folder: Path | None, *, checksums: bool) -> bool:
    """Check every file of a stack and print what was found; False where one is not right."""
    from persongen_bench.stacks.published.verify import verify

    places = locate(downloads(stack), folder)
    console = _console()
    done: list[Check] = []
    with bars() as progress:
        for found in progress(verify(places, checksums=checksums), "verify", len(places.files)):
            done.append(found)
            console.print(f"{found.state:<8}{plain(f'{found.place.label}: {found.detail}')}")
    wrong = [found for found in done if found.state != "ok"]
    unpinned = [found for found in done if found.place.file.sha256 is None]
    console.print(
        f"{len(done) - len(wrong)} of {len(done)} files are right; "
        f"{len(unpinned)} without a published checksum"
    )
    return not wrong


def pull(stack: str, folder: Path | None) -> Places:
    """Download what is missing or has the wrong size; what is begun is continued.

    Into the hub's cache, or into ``folder`` (else ``$PGBENCH_MODELS/<stack>``, where that is
    set). Raises `ConfigError`, one line, for no connection, too little room, a refused request.
    """
    from huggingface_hub import constants

    target = pull_target(stack, folder)
    places = locate(downloads(stack), target)
    wanted = [place for place in places.files if place.n_bytes in (None, 0) or not _fits(place)]
    if wanted and constants.HF_HUB_OFFLINE:
        raise ConfigError(
            f"stack {stack}: {len(wanted)} files are missing, and HF_HUB_OFFLINE forbids downloads",
            fix="Unset it, or copy the files from another machine.",
        )
    require_space(places.root, sum(place.file.n_bytes or 0 for place in wanted))
    _print_heading(_console(), places.manifest)
    for repo in places.manifest.repos:
        paths = [place.file.path for place in wanted if place.repo is repo]
        if paths:
            _print_repo(_console(), repo, places.folder(repo))
            if repo.url is not None:
                _fetch(repo, paths, places.folder(repo))
            else:
                _download(repo, paths, places.folder(repo) if places.local else None)
    return _complete(locate(places.manifest, target))


def require_space(folder: Path, n_bytes: int) -> None:
    """Raise `ConfigError` where the disk under ``folder`` has less than ``n_bytes`` free."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents)
                    if place.exists())  # fmt: skip
    free = shutil.disk_usage(existing).free
    if free < n_bytes:
        raise ConfigError(
            f"{folder}: {n_bytes / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free",
            fix="Make room, or choose another folder.",
        )


def build(name: str, output: Path, only: str | None, steps: int | None, threads: int) -> None:
    """Train the models of a stack from scratch into ``output``."""
    from persongen_bench.util.execution import fixed_threads

    with bars() as progress, fixed_threads(threads):
        if name == "sprites":
            from persongen_bench.stacks.sprites import build as build_sprites

            build_sprites(output, steps=steps, progress=progress)
        elif name == "sandbox":
            from persongen_bench.stacks.sandbox.build import build as build_sandbox

            build_sandbox(output, only=only, steps=steps, progress=progress)
        elif name == "tasteworld-loras":
            from persongen_bench.stacks.sandbox.loras.build import build as build_loras
            from persongen_bench.stacks.sandbox.loras.training import LoraTraining

            shorter = LoraTraining() if steps is None else LoraTraining(n_steps=steps)
            build_loras(output, training=shorter, progress=progress)
        else:
            raise ConfigError(
                f"no models are called {name!r}",
                fix=near_miss(name, BUILT, f"Choose one of {', '.join(BUILT)}."),
            )
    _console().print(f"wrote {plain_lines(str(output))}")


def _download(repo: HubRepo, paths: list[str], local: Path | None) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            repo.repo_id, revision=repo.revision, allow_patterns=paths, local_dir=local
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL_DISK:
            raise
        raise ConfigError(
            f"{repo.repo_id}: the download failed ({type(error).__name__}: {error})",
            fix="Try again: it continues where it stopped.",
        ) from error


def _fetch(repo: HubRepo, paths: list[str], folder: Path) -> None:
    """Files that are not on the hub; each must have its checksum, or it is not kept."""
    from torch.hub import download_url_to_file

    sums = {file.path: file.sha256 for file in repo.files}
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        try:
            download_url_to_file(f"{repo.url}/{quote(path)}", str(folder / path), sums[path])
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL_DISK:
                raise
            raise ConfigError(
                f"{repo.repo_id}: the download of {path} failed ({type(error).__name__}: {error})",
                fix="Try again.",
            ) from error


def _complete(places: Places) -> Places:
    """The library answers a broken connection with what is there, so look for ourselves."""
    places.require()
    wrong = [place for place in places.files if not _fits(place)]
    if wrong:
        raise ConfigError(
            f"{wrong[0].path}: {wrong[0].n_bytes:,} bytes, expected {wrong[0].file.n_bytes:,}",
            fix=f"Remove it and run `{places.command}` again.",
        )
    _console().print(f"all {len(places.files)} files of {places.manifest.stack} are there")
    return places


def _fits(place: Place) -> bool:
    return place.file.n_bytes is None or place.n_bytes == place.file.n_bytes


def _of(places: Places, repo: HubRepo) -> Iterable[Place]:
    return (place for place in places.files if place.repo is repo)


def _size(place: Place) -> str:
    """Published size, else the size on disk."""
    size = place.n_bytes if place.file.n_bytes is None else place.file.n_bytes
    return "size not known" if size is None else f"{size:,}"


def _print_heading(console: Console, about: Manifest) -> None:
    console.print(f"{about.stack}: {plain(about.title)}")
    for note in about.notes:
        console.print(f"  {plain(note)}")


def _print_repo(console: Console, repo: HubRepo, folder: Path) -> None:
    console.print(f"{repo.repo_id} at {repo.revision} ({plain(repo.license)})")
    if repo.note:
        console.print(f"  {plain(repo.note)}")
    console.print(f"  in {plain_lines(str(folder))}")
