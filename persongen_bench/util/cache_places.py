"""Places of the cache: folders, who writes to them, and what the disk said when they could not."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from persongen_bench.core.errors import ConfigError
from persongen_bench.util.files import sweep

_OS_ERROR = re.compile(r"os error (\d+)")
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def make_folder(folder: Path, mode: int = 0o777) -> Path:
    """Make a folder of the cache; raises `ConfigError`, one line, where a file is in its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"the cache needs the folder {folder}: a file is in its place", fix=(
            "Remove that file, or set PGBENCH_CACHE to another folder."
        )) from None  # fmt: skip
    return folder


@contextmanager
def locked_entry(path: Path) -> Iterator[None]:
    """Keep others from making an entry; where the cache cannot be written nobody can.

    What writers of it that were killed have left is removed.
    """
    lock = FileLock(f"{path}.lock")
    try:
        make_folder(path.parent)
        lock.acquire()
        sweep(path.parent, path.name)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    try:
        yield
    finally:
        lock.release()


@contextmanager
def disk_errors() -> Iterator[None]:
    """What writers of other libraries say of the disk, as the `OSError` it is."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        number = _OS_ERROR.search(str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code)) from None
