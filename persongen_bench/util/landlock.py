"""Linux's Landlock: this thread and its children keep to some files, by order of the kernel.

It binds compiled code too, takes no rights, and cannot be taken back (landlock(7)). Processes
outside cannot be traced, nor programs started, nor TCP connections made.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from persongen_bench.util.guard import Bounds

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls; the same numbers on every architecture."""
_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL | 1
"""Rights that a rule on a file, not a folder, may give; 1 is to execute."""
_EXECUTE = 1


class _Rules(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64),
    )  # fmt: skip


class _Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Of Landlock in this kernel; 0: it has none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(_CREATE, None, 0, 1))


def restrict(bounds: Bounds, devices: Iterable[Path] = ()) -> bool:
    """Keep this thread, and all it starts, to these places; False where the kernel cannot.

    Args:
        bounds: what may be read, changed and listed; what is ``hidden`` in it the kernel shows.
        devices: files that may be read, written and controlled.
    """
    known = version()
    if not known:
        return False
    every = (1 << (13 + (known >= 2) + (known >= 3) + (known >= 5))) - 1
    rules = _Rules(every, 3 if known >= 4 else 0, 3 if known >= 6 else 0)
    size = ctypes.sizeof(_Rules) if known >= 6 else 16 if known >= 4 else 8
    handle = _call(_CREATE, ctypes.byref(rules), size, 0)
    if handle < 0:
        return False
    try:
        _allow(handle, bounds.reads, (_READ_FILE | _READ_DIR) & every)
        _allow(handle, bounds.writes, every & ~_EXECUTE)
        _allow(handle, bounds.lists, _READ_DIR)
        _allow(handle, devices, (_READ_FILE | _WRITE_FILE | _READ_DIR | _IOCTL) & every)
        return _no_new_rights() and _call(_RESTRICT, handle, 0) == 0
    finally:
        os.close(handle)


def _allow(handle: int, places: Iterable[Path], rights: int) -> None:
    for place in places:
        try:
            opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there needs no right
        try:
            folder = stat.S_ISDIR(os.fstat(opened).st_mode)
            rule = _Below(rights if folder else rights & _OF_FILES, opened)
            _call(_ADD, handle, 1, ctypes.byref(rule), 0)
        finally:
            os.close(opened)


def _no_new_rights() -> bool:
    return int(ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) == 0


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *arguments))
