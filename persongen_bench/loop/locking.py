"""One writer of a run at a time, and which of two runs was begun later."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from persongen_bench.core.errors import RunError

PATIENCE = 1.0
"""Seconds to wait for a process that is ending, such as a worker of one that was killed."""
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other processes off a run; raises `RunError`, before anything is written, where one is.

    The lock ends with the process.
    """
    lock = FileLock(run / ".lock")
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise RunError(
            f"{run}: another process is working on this run", fix="Wait for it, or stop it."
        ) from None
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        raise RunError(
            f"{run}: cannot be written here ({error.strerror})",
            fix="It can be read as it is; to change it make it writable, or copy it.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def after_all(run: Path, now: str) -> str:
    """The time ``now``, or just after the last run beside ``run`` where the clock says less.

    So of the runs in one folder the later one has the later time, whatever the clock did.
    """
    last = max((_created(file) for file in run.parent.glob("*/run.json")), default="")
    if not last or last < now:
        return now
    with suppress(ValueError, OverflowError):
        return (datetime.fromisoformat(last) + timedelta(seconds=1)).isoformat(timespec="seconds")
    return now


def _created(file: Path) -> str:
    with suppress(OSError, ValueError, RecursionError):
        document = json.loads(file.read_bytes())
        created = document.get("created") if isinstance(document, dict) else None
        return created if isinstance(created, str) else ""
    return ""
