"""SQLite files: what went wrong with one, told apart, so that nobody repairs what is not broken."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from persongen_bench.core.errors import RunError

_WORDS = {
    5: "locked", 6: "locked", 8: "readonly", 10: "disk i/o", 11: "malformed", 13: "full",
    14: "unable to open", 26: "not a database",
}  # fmt: skip
"""Primary result codes of SQLite, and what their messages hold."""
_OF_THE_SYSTEM = (5, 6, 7, 8, 10, 13, 14)
"""Codes that say nothing of the file: busy, locked, memory, read-only, disk, full, not opened."""
_FEW = 8
"""Descriptors that SQLite may need for one file."""
_SMALL = 1 << 16
"""Free bytes below which a disk is full."""


def primary_code(error: sqlite3.Error) -> int | None:
    """The primary result code of SQLite; by its words where the error carries none."""
    with suppress(AttributeError):  # raised by something else than SQLite
        return int(error.sqlite_errorcode) & 0xFF
    words = str(error).lower()
    return next((code for code, said in _WORDS.items() if said in words), None)


def damaged(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, so that it helps to make it anew."""
    return primary_code(error) not in _OF_THE_SYSTEM


def unwritable(error: sqlite3.Error) -> bool:
    """Whether the file might be read and cannot be written."""
    return primary_code(error) in (8, 14) and not _out_of_descriptors()


def refusal(file: Path, error: sqlite3.Error, rebuilt: str) -> RunError:
    """What to tell of an error.

    Args:
        file: the database.
        error: what SQLite raised.
        rebuilt: how a damaged one is made anew.
    """
    code = primary_code(error)
    if damaged(error):
        return RunError(f"{file}: the journal is damaged ({error})", fix=rebuilt)
    if code in (5, 6):
        return RunError(
            f"{file}: another process holds it ({error})", fix="Nothing is wrong; wait for it."
        )
    problem, fix = _of_system(file, code)
    return RunError(f"{file}: {problem} ({error})", fix=fix)


def _of_system(file: Path, code: int | None) -> tuple[str, str]:
    """What the system refused, and what to do; the file is as it was."""
    intact = "The file is intact."
    if _out_of_descriptors():
        return "out of file descriptors", f"{intact} Raise the limit (`ulimit -n`), then go on."
    if code == 13 or (code == 10 and _full(file)):
        return "the disk is full", "Free some space, then `pgbench resume` this run."
    if code == 7:
        return "out of memory", f"{intact} Free some, then go on."
    reason = _reason(file, write=code == 8)
    if code == 8 or reason in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "it is read-only here", f"{intact} Make it writable, or copy the folder."
    if reason is not None:
        return f"it cannot be opened: {os.strerror(reason)}", f"{intact} See to that, then go on."
    if code == 14 and not os.access(file.parent, os.W_OK):
        return "its folder is read-only here", f"{intact} Make it writable, or copy it."
    if code == 14:
        return "it cannot be opened", f"{intact} See to its folder, then go on."
    return "the disk failed", f"{intact} See to the disk, then `pgbench resume` this run."


def _reason(file: Path, *, write: bool) -> int | None:
    try:
        os.close(os.open(file, os.O_RDWR if write else os.O_RDONLY))
    except OSError as error:
        return error.errno
    return None


def _full(file: Path) -> bool:
    try:
        return shutil.disk_usage(file.parent).free < _SMALL
    except OSError:
        return False


def _out_of_descriptors() -> bool:
    held: list[int] = []
    try:
        while len(held) < _FEW:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for handle in held:
            os.close(handle)
    return False
