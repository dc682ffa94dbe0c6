"""What the kernel holds: compiled code too, which no hook sees."""

import ctypes
import os
import socket
import sys
from pathlib import Path

import pyarrow.csv
import pytest
from forked import in_child

from persongen_bench.util import landlock
from persongen_bench.util.guard import Bounds

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")


@pytest.fixture
def places(tmp_path):
    for name in ("read", "write", "other", "listed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.csv").write_text("a\n1\n")
    return tmp_path


def restricted(places, what):
    """What happens to ``what`` in a child that keeps to its bounds: its result or the error."""

    def child():
        system = tuple(Path(p) for p in (sys.prefix, sys.base_prefix, "/usr", "/lib", "/etc"))
        own = Bounds((*system, places / "read"), (places / "write",), lists=(places / "listed",))
        assert landlock.restrict(own)
        try:
            return what()
        except OSError as error:
            return type(error).__name__

    return in_child(child)


def test_reads_and_writes_within_bounds(places):
    assert restricted(places, (places / "read" / "file.csv").read_text) == "a\n1\n"
    assert restricted(places, lambda: (places / "write" / "new").write_text("xy")) == 2
    assert (places / "write" / "new").read_text() == "xy"
    assert restricted(places, lambda: [p.name for p in (places / "listed").iterdir()]) == [
        "file.csv"
    ]


@pytest.mark.parametrize("name", ["other", "listed"])
def test_a_compiled_reader_is_refused(places, name):
    """Arrow opens files itself: no event of the interpreter tells of it."""
    read = lambda: pyarrow.csv.read_csv(places / name / "file.csv").num_rows  # noqa: E731
    assert restricted(places, read) == "PermissionError"
    inside = lambda: pyarrow.csv.read_csv(places / "read" / "file.csv").num_rows  # noqa: E731
    assert restricted(places, inside) == 1


def test_the_c_library_is_refused(places):
    opened = lambda: ctypes.CDLL(None).open(os.fsencode(places / "other" / "file.csv"), 0)  # noqa: E731
    assert restricted(places, opened) == -1


def test_no_program_is_started(places):
    assert (
        restricted(places, lambda: os.posix_spawn("/bin/true", ["true"], {})) == "PermissionError"
    )


@pytest.mark.skipif(landlock.version() < 4, reason="this kernel's Landlock knows no network")
def test_no_connection_is_made(places):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = lambda: socket.create_connection(("127.0.0.1", port))  # noqa: E731
        assert restricted(places, connect) == "PermissionError"


@pytest.mark.skipif(landlock.version() < 6, reason="this kernel's Landlock knows no signals")
def test_no_other_process_is_signalled(places):
    assert restricted(places, lambda: os.kill(os.getppid(), 0)) == "PermissionError"


def test_writing_outside_is_refused(places):
    write = lambda: (places / "read" / "file.csv").write_text("x")  # noqa: E731
    assert restricted(places, write) == "PermissionError"
    assert (places / "read" / "file.csv").read_text() == "a\n1\n"
