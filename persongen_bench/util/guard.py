"""What a process may touch: an audit hook that refuses the rest, and says what it refused.

A hook sees what goes through the interpreter. What compiled libraries open by themselves it does
not see; the kernel does (`landlock`), where it can. Neither is a defence against malice alone: a
process of a stranger's code runs sealed (`persongen_bench.loop.wall.bubble`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_NOTED = 20
"""Refusals that are remembered; the rest is refused all the same."""
_WRITES = {
    "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1,
    "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1,
    "os.setxattr": 1, "os.removexattr": 1,
}  # fmt: skip
"""Events that change files => how many of their arguments, from the first, are places."""
_LISTS = ("os.listdir", "os.scandir")
_OUTSIDE = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.forkpty", "pty.spawn", "os.startfile", "socket.connect", "socket.bind", "socket.sendto",
    "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "urllib.Request", "ftplib.connect",
    "http.client.connect", "smtplib.connect", "sqlite3.load_extension", "os.killpg",
)  # fmt: skip
"""Events that leave the process."""
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Refused(PermissionError):  # noqa: N818  # it is an answer
    """What was tried is outside of what the process may touch."""


@dataclass(frozen=True)
class Bounds:
    """What may be touched; everything else that exists is refused."""

    reads: tuple[Path, ...]
    """Files, and folders with all that is in them."""
    writes: tuple[Path, ...] = ()
    """Folders, which may be read too."""
    hidden: tuple[Path, ...] = ()
    """Below ``reads``, and refused all the same."""
    blind: bool = False
    """Whether what is outside cannot be seen at all: looking for it is noted, though it fails by
    itself."""
    lists: tuple[Path, ...] = ()
    """Folders whose names may be listed, and nothing in them read."""
    modules: tuple[str, ...] = ()
    """Modules, with all below them, that no import statement brings in; `importlib` is not seen,
    so their files are ``hidden`` too."""


class Guard:
    """Refuses what is outside its bounds, for as long as the process lives."""

    def __init__(self, bounds: Bounds) -> None:
        self._reads = _real(bounds.reads + bounds.writes)
        self._writes = _real(bounds.writes)
        self._hidden = _real(bounds.hidden)
        self._lists = _real(bounds.lists)
        self._modules, self._blind = bounds.modules, bounds.blind
        self.refused: list[str] = []
        """What was tried and refused, in words, each once."""

    def install(self) -> None:
        """From now on; there is no way back."""
        handlers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "open": self._open, "import": self._import, "sqlite3.connect": self._database,
            "ctypes.dlopen": self._library, "os.kill": self._kill,
        }  # fmt: skip
        handlers |= dict.fromkeys(_LISTS, self._list)
        for name, n_places in _WRITES.items():
            handlers[name] = self._change(name, n_places)
        for name in _OUTSIDE:
            handlers[name] = self._leave(name)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            handler = handlers.get(event)
            if handler is not None:
                handler(arguments)

        sys.addaudithook(hook)

    def refuse(self, what: str) -> None:
        """Note it and raise `Refused`."""
        self._note(what)
        raise Refused(f"refused: {what}; a method sees its training view and its models alone")

    def _note(self, what: str) -> None:
        if what not in self.refused and len(self.refused) < MOST_NOTED:
            self.refused.append(what)

    def _open(self, arguments: tuple[Any, ...]) -> None:
        path, mode, flags = arguments
        place = _place(path)
        if place is None:
            return
        changes = bool(flags & _CHANGES) if isinstance(flags, int) else "r" not in str(mode)
        if place == os.devnull:
            return
        if changes and not _below(place, self._writes):
            self.refuse(f"write {place}")
        self._read(place, "open")

    def _read(self, place: str, verb: str) -> None:
        """What does not exist may be looked for: the answer is that it is not there."""
        allowed = _below(place, self._reads) and not _below(place, self._hidden)
        if not allowed and os.path.lexists(place):
            self.refuse(f"{verb} {place}")
        if not allowed and self._blind and verb == "open":
            self._note(f"{verb} {place}")

    def _list(self, arguments: tuple[Any, ...]) -> None:
        place = _place(arguments[0] if arguments and arguments[0] is not None else ".")
        if place is not None and place not in self._lists:
            self._read(place, "list")

    def _database(self, arguments: tuple[Any, ...]) -> None:
        place = _place(arguments[0])
        if place is not None and str(arguments[0]) != ":memory:":
            self._read(place, "open")

    def _library(self, arguments: tuple[Any, ...]) -> None:
        name = arguments[0]
        if isinstance(name, str | bytes) and os.sep in os.fsdecode(name):
            self._read(str(_place(name)), "load")

    def _kill(self, arguments: tuple[Any, ...]) -> None:
        if arguments[0] != os.getpid():
            self.refuse("signal another process")

    def _import(self, arguments: tuple[Any, ...]) -> None:
        name = str(arguments[0])
        if any(name == module or name.startswith(f"{module}.") for module in self._modules):
            self.refuse(f"import {name}")

    def _change(self, event: str, n_places: int) -> Callable[[tuple[Any, ...]], None]:
        def handler(arguments: tuple[Any, ...]) -> None:
            for path in arguments[:n_places]:
                place = _place(path)
                if place is not None and not _below(place, self._writes):
                    self.refuse(f"{event.removeprefix('os.')} {place}")

        return handler

    def _leave(self, event: str) -> Callable[[tuple[Any, ...]], None]:
        def handler(arguments: tuple[Any, ...]) -> None:  # noqa: ARG001  # of an audit event
            self.refuse(event)

        return handler


def _real(places: tuple[Path, ...]) -> tuple[str, ...]:
    """Where they are in truth, and by the name that was given."""
    both = (name for place in places for name in (os.path.realpath(place), str(place.absolute())))
    return tuple(dict.fromkeys(both))


def _place(path: object) -> str | None:
    """The place that is meant, links followed; None for an open file, or what is no path."""
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    try:
        return os.path.realpath(os.fsdecode(path))
    except (ValueError, OSError):  # a NUL, or a loop of links: opening it fails by itself
        return None


def _below(place: str, folders: tuple[str, ...]) -> bool:
    return any(place == folder or place.startswith(_ended(folder)) for folder in folders)


def _ended(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep
