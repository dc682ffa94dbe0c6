"""Where things that are not shipped lie: the cache and the data folders."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from persongen_bench.core.errors import ConfigError
from persongen_bench.util.said import shown

if TYPE_CHECKING:
    import numpy as np

_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""What file systems answer that cannot flush a folder."""
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
"""Names of what is not whole yet, or no more."""


def cache_root() -> Path:
    """Cache folder: ``$PGBENCH_CACHE``, else the platform's user cache."""
    named = os.environ.get("PGBENCH_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("persongen-bench"))


def data_root(dataset: str) -> Path | None:
    """Default folder of a data set, ``$PGBENCH_DATA/<dataset>`` or in the cache, if it exists."""
    named = os.environ.get("PGBENCH_DATA")
    base = Path(named) if named else cache_root() / "data"
    folder = base / dataset
    return folder if folder.is_dir() else None


def usable_folder(folder: Path, what: str, fix: str) -> Path:
    """``folder``, where it is one or can become one; raises `ConfigError` otherwise.

    Args:
        folder: need not exist.
        what: it is for, in the words of the error: ``the cache``.
        fix: how to name another one.
    """
    try:
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        is_folder = nearest.is_dir()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{what} cannot be {shown(str(folder))}: {reason}", fix=fix) from None
    if not is_folder:
        raise ConfigError(f"{what} cannot be {folder}: {nearest} is a file", fix=fix)
    return folder


def writable_file(path: Path) -> Path:
    """``path``, where a file of this name can be written; raises `ConfigError` for a folder."""
    usable_folder(path.parent, "the folder of a file", "Name another file.")
    if path.is_dir():
        raise ConfigError(f"{path}: this is a folder", fix="Name a file in it.")
    return path


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file, streamed."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def short_sha256(path: Path) -> str:
    """First 16 digits of a file's sha256, as signatures print it."""
    return file_sha256(path)[:16]


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a whole file or nothing: temporary neighbour, flush to disk, rename, flush the name.

    Without ``durable`` a power cut may lose the file, for a third of the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
        if durable:
            flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A place whose name says that what lies there does not count; see `sweep`."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def flush(place: Path) -> None:
    """Have a file, or the names in a folder, on the disk; where the system can do that."""
    try:
        handle = os.open(place, os.O_RDONLY)
    except PermissionError:  # folders on Windows
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)


def write_array(path: Path, array: np.ndarray) -> None:
    """One array as ``.npy``, whole or not at all."""
    write_atomic(path, array_bytes(array))


def array_bytes(array: np.ndarray) -> bytes:
    """One array as a ``.npy`` file."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def arrays_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as a ``.npz`` file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


@contextmanager
def folder_atomic(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A fresh folder to fill; it takes the name ``path`` only when the block succeeds.

    Every file in it is on the disk before it has the name, and the name before this returns; but
    not without ``durable``, for many files that can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _beside(path), _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for place in (*temporary.rglob("*"), temporary) if durable else ():
            flush(place)
        with suppress(FileNotFoundError):
            path.rename(old)
        temporary.rename(path)
        flush(path.parent)
    finally:
        for rest in (temporary, old):
            shutil.rmtree(rest, ignore_errors=True)


def remove_whole(folder: Path) -> None:
    """Remove a folder, of which nobody sees a part: its name goes first. What cannot go stays."""
    gone = _beside(folder)
    with suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what writers that were killed have left in a folder; for who keeps others off it.

    ``name``: of the entry that they wrote; empty: of any.
    """
    begin = f".{name}." if name else "."
    for rest in folder.iterdir():
        if rest.name.startswith(begin) and _TEMPORARY.fullmatch(rest.name):
            _remove(rest)


def sweep_beside(path: Path, age: float) -> None:
    """Remove what killed writers of ``path`` alone left beside it, at least ``age`` seconds ago.

    What is younger may be that of a writer at work, whom nobody keeps off.
    """
    temporary = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}")
    for rest in path.parent.iterdir():
        with suppress(FileNotFoundError):
            if temporary.fullmatch(rest.name) and time.time() - rest.lstat().st_mtime >= age:
                _remove(rest)


def _remove(place: Path) -> None:
    with suppress(OSError):
        place.unlink() if not place.is_dir() else shutil.rmtree(place)
