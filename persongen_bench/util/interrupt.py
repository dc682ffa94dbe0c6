"""Ctrl-C: what runs ends within three seconds, and says what stopped.

A process that is killed at any instant loses nothing (the journal is of finished answers), so the
workers are ended at once, and so is this process where it does not end by itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

STATUS = 130
"""Exit status of a program that was interrupted (128 and the signal's number)."""
GRACE = 2.0
"""Seconds until a process that does not end by itself is ended."""
AGAIN = "; the same command goes on where it stopped"
QUIET = "ignore:resource_tracker"
"""Python's own cleaner of semaphores is told so: that ended workers left some is no news."""
Told = Callable[[], str]
"""Says what stopped and how to go on with it, as the end of a sentence."""

at_work: set[int] = set()
"""Processes besides those of `multiprocessing` that end with this one, by number: who starts one
adds it, who has waited for it takes it out."""
servers: set[int] = set()
"""Such processes that others are started from: they are ended last."""
_told: list[Told] = []
_kept: list[socket.socket] = []
"""What must stay open as long as this process is there."""
_stopped: list[str] = []
"""What the innermost said; parsers of commands swallow the exception itself."""


@contextmanager
def telling(told: Told) -> Iterator[None]:
    """Inside, an interruption is reported with the words of ``told``, the innermost first."""
    _told.append(told)
    try:
        yield
    except KeyboardInterrupt:
        if not _stopped:
            _stopped.append(_words(told))
        raise
    finally:
        _told.remove(told)


def stopped() -> str:
    """What the interruption stopped, as the end of a sentence; empty where nothing was at work."""
    return _stopped[0] if _stopped else ""


def _words(told: Told) -> str:
    try:
        return told()
    except Exception:  # noqa: BLE001  # the state of what was interrupted may be anything
        return AGAIN


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C ends the workers at once, and this process after `GRACE` seconds.

    In the main thread only; elsewhere nothing is changed. A second Ctrl-C does not wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _stopped.clear()
    if QUIET not in sys.warnoptions:
        sys.warnoptions.append(QUIET)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(ours,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()  # the watcher reads the end
        watcher.join()
        ours.close()


def _watch(woken: socket.socket) -> None:
    """Wait for the byte that the first interruption writes, then for the end or the next one."""
    if not _interrupted(woken):
        return
    for child in multiprocessing.active_children():
        child.terminate()
    _kill(at_work)
    woken.settimeout(GRACE)
    with contextlib.suppress(TimeoutError):
        if not _interrupted(woken):
            return
    sys.stderr.write(f"error: interrupted{_words(_told[-1]) if _told else ''}\n")
    leave()


def leave() -> NoReturn:
    """End this process now, and every process that works for it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    for child in multiprocessing.active_children():
        child.terminate()
    _kill(at_work | servers)
    os._exit(STATUS)


def _kill(numbers: set[int]) -> None:
    for number in list(numbers):
        with contextlib.suppress(OSError):
            os.kill(number, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def _interrupted(woken: socket.socket, number: int = signal.SIGINT) -> bool:
    """Whether the next byte is an interruption (or another signal); False at the end."""
    while byte := woken.recv(1):
        if byte[0] == number:
            return True
    return False


def end_when_told() -> None:
    """From now on SIGTERM ends this worker at once, whatever it computes, and its own workers.

    Called in the main thread of a worker. On Windows a worker that is ended takes none with it.
    """
    if sys.platform == "win32":
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.signal(signal.SIGTERM, _stop)
    sys.unraisablehook = _unraisable
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    _kept.append(theirs)
    threading.Thread(target=_end_when_told, args=(ours,), daemon=True).start()


def _end_when_told(woken: socket.socket) -> None:
    if _interrupted(woken, signal.SIGTERM):
        leave()


def _stop(*_: object) -> NoReturn:
    """Nothing more is done with what comes of workers that are being ended."""
    raise KeyboardInterrupt


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """A worker that is ended while it cleans up has nothing to say of it."""
    if what.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(what)


@contextmanager
def sheltered() -> Iterator[None]:
    """Processes that are started inside are not told of Ctrl-C: who started them ends them."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
