"""Files that others name: opened without waiting, and only where they are regular files."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from persongen_bench.core.errors import DataError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):  # those the system has
    _FLAGS |= int(vars(os).get(_flag, 0))


def shown(path: Path | str) -> str:
    """A path as a message prints it: escaped where it holds what cannot be printed."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def open_regular(path: Path, what: str = "file") -> BufferedReader:
    """A regular file opened for reading; ``what`` says in messages what it should hold.

    A pipe, socket, device or folder, a name no file can have, a loop of links and whatever else
    cannot be read raises `DataError`. It never waits: what is there is looked at before and after
    it is opened, and opened without blocking.
    """
    try:
        _require_regular(path, path.stat().st_mode)
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: no such {what} file") from None
    except OSError as error:
        raise DataError(f"{shown(path)}: not readable ({error.strerror})") from None
    except ValueError as error:  # a NUL, or characters that file names cannot hold
        raise DataError(f"{shown(path)}: not a file name ({error})") from None
    try:
        _require_regular(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, what: str = "file", most: int | None = None) -> bytes:
    """All bytes of a regular file of at most ``most`` bytes; errors as `open_regular`."""
    with open_regular(path, what) as stream:
        require_small(stream, path, most)
        try:
            return stream.read()
        except OSError as error:
            raise DataError(f"{shown(path)}: not readable ({error.strerror})") from None


def require_small(stream: BufferedReader, path: Path, most: int | None) -> None:
    """Raise `DataError` for an opened file of more than ``most`` bytes."""
    size = os.fstat(stream.fileno()).st_size
    if most is not None and size > most:
        raise DataError(f"{shown(path)}: {size:,} bytes, more than the {most:,} allowed")


def require_inside(path: Path, root: Path, what: str = "folder") -> None:
    """Raise `DataError` for a path that leads out of ``root``, also through a symbolic link."""
    try:
        real, real_root = (Path(os.path.realpath(place)) for place in (path, root))
    except ValueError as error:
        raise DataError(f"{shown(path)}: not a file name ({error})") from None
    if not real.is_relative_to(real_root):
        raise DataError(
            f"{shown(path)}: lies outside the {what} {shown(root)}", fix="Use paths inside it."
        )


def other_kind(mode: int) -> str | None:
    """What is no regular file by its ``mode`` (`os.stat_result.st_mode`), in words; else None."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")


def _require_regular(path: Path, mode: int) -> None:
    kind = other_kind(mode)
    if kind is not None:
        raise DataError(
            f"{shown(path)}: is {kind}, expected a regular file", fix="Name the file itself."
        )
