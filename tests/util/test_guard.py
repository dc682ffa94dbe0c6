# ruff: noqa: PTH208, PTH123  # every door is tried
"""A guarded process touches what its bounds name; all else is refused and remembered."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from forked import in_child

from persongen_bench.util.guard import Bounds, Guard, Refused


@pytest.fixture
def places(tmp_path):
    """A folder to read, with a hidden file; one to write; and one of others."""
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.txt").write_text(name)
    (tmp_path / "read" / "hidden.txt").write_text("hidden")
    return tmp_path


def bounds(places, **more):
    system = tuple(Path(place) for place in (sys.prefix, sys.base_prefix, "/usr", "/lib", "/etc"))
    return Bounds(
        (*system, places / "read"), (places / "write",), (places / "read" / "hidden.txt",), **more
    )


def tried(places, what, **more):
    """Whether ``what`` was refused in a guarded child, and what it remembers."""

    def child():
        guard = Guard(bounds(places, **more))
        guard.install()
        try:
            what(places)
        except Refused:
            return "refused", guard.refused
        except OSError as error:
            return type(error).__name__, guard.refused
        return "done", guard.refused

    return in_child(child)


def link(p):
    (p / "write" / "link").symlink_to(p / "other" / "file.txt")
    return (p / "write" / "link").read_text()


ALLOWED = {
    "read": lambda p: (p / "read" / "file.txt").read_text(),
    "list": lambda p: os.listdir(p / "read"),
    "write": lambda p: (p / "write" / "new.txt").write_text("x"),
    "remove": lambda p: (p / "write" / "file.txt").unlink(),
    "folder": lambda p: (p / "write" / "folder").mkdir(),
    "descriptor": lambda p: os.fdopen(os.pipe()[0]).close(),
    "null": lambda p: Path(os.devnull).write_text("x"),
    "memory database": lambda p: sqlite3.connect(":memory:").close(),
    "itself": lambda p: os.kill(os.getpid(), 0),
}
REFUSED = {
    "read": lambda p: (p / "other" / "file.txt").read_text(),
    "hidden": lambda p: (p / "read" / "hidden.txt").read_text(),
    "dots": lambda p: (p / "read" / ".." / "other" / "file.txt").read_text(),
    "bytes": lambda p: open(os.fsencode(p / "other" / "file.txt")).close(),
    "list": lambda p: os.listdir(p / "other"),
    "scan": lambda p: list(os.scandir(p / "other")),
    "walk": lambda p: list((p / "other").iterdir()),
    "write": lambda p: (p / "read" / "file.txt").write_text("x"),
    "append": lambda p: (p / "other" / "file.txt").open("a"),
    "low level": lambda p: os.open(p / "other" / "file.txt", os.O_RDONLY),
    "create": lambda p: (p / "other" / "new.txt").touch(),
    "remove": lambda p: (p / "read" / "file.txt").unlink(),
    "rename in": lambda p: (p / "other" / "file.txt").rename(p / "write" / "mine.txt"),
    "rename out": lambda p: (p / "write" / "file.txt").rename(p / "other" / "mine.txt"),
    "hard link": lambda p: os.link(p / "other" / "file.txt", p / "write" / "mine.txt"),
    "symbolic link": link,
    "database": lambda p: sqlite3.connect(p / "other" / "file.txt").close(),
    "process": lambda p: subprocess.run(["true"], check=False),
    "shell": lambda p: os.system("true"),
    "exec": lambda p: os.execv("/bin/true", ["true"]),
    "spawn": lambda p: os.posix_spawn("/bin/true", ["true"], {}),
    "socket": lambda p: socket.create_connection(("127.0.0.1", 9)),
    "name": lambda p: socket.getaddrinfo("localhost", 80),
    "server": lambda p: socket.socket().bind(("127.0.0.1", 0)),
    "fork": lambda p: os.fork(),
    "signal": lambda p: os.kill(os.getppid(), signal.SIGCONT),
    "module": lambda p: __import__("wave"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALLOWED)
def test_what_the_bounds_name_may_be_touched(places, what):
    assert tried(places, ALLOWED[what]) == ("done", [])


@pytest.mark.parametrize("what", REFUSED)
def test_all_else_is_refused_and_remembered(places, what):
    how, remembered = tried(places, REFUSED[what], modules=("wave",))
    assert how == "refused"
    assert remembered


def test_what_does_not_exist_may_be_looked_for(places):
    how, remembered = tried(places, lambda p: (p / "other" / "none.txt").read_text())
    assert (how, remembered) == ("FileNotFoundError", [])


def test_a_blind_process_is_told_of_even_then(places):
    """Where a sealed process cannot see what exists, that it looked is remembered."""
    look = lambda p: (p / "other" / "none.txt").read_text()  # noqa: E731
    how, remembered = tried(places, look, blind=True)
    assert how == "FileNotFoundError"
    assert remembered == [f"open {places / 'other' / 'none.txt'}"]


def test_a_folder_may_be_listed_and_nothing_in_it_read(places):
    more = {"lists": (places / "other",)}
    assert tried(places, lambda p: os.listdir(p / "other"), **more)[0] == "done"
    assert tried(places, REFUSED["read"], **more)[0] == "refused"


def test_modules_below_a_refused_one_are_refused(places):
    what = lambda p: __import__("xml.sax.expatreader")  # noqa: E731
    sys.modules.pop("xml.sax.expatreader", None)
    assert tried(places, what, modules=("xml.sax",))[0] == "refused"
    assert tried(places, what, modules=("xml.sa",))[0] == "done"


def test_few_refusals_are_remembered(places):
    def often(p):
        for k in range(100):
            (p / "other" / f"{k}.txt").touch()

    def child():
        guard = Guard(bounds(places))
        guard.install()
        for k in range(100):
            with pytest.raises(Refused):
                (places / "other" / f"{k}.txt").touch()
        return len(guard.refused)

    assert in_child(child) == 20
