"""What is wrong with an SQLite file is told apart: only what is damaged is to be made anew."""

import contextlib
import os
import resource
import sqlite3
from contextlib import closing

import pytest

from persongen_bench.util import databases
from persongen_bench.util.databases import damaged, refusal

REBUILD = "`pgbench resume --rebuild` it."


def said(file, work):
    with pytest.raises(sqlite3.Error) as caught:
        work()
    return str(refusal(file, caught.value, REBUILD)), damaged(caught.value)


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE t (a)")
    return file


def write(file, timeout=0.0):
    with closing(sqlite3.connect(file, timeout=timeout)) as db, db:
        db.execute("INSERT INTO t VALUES (1)")


def test_damaged(file):
    file.write_bytes(b"no database at all" * 100)
    message, bad = said(file, lambda: write(file))
    assert bad
    assert "damaged" in message
    assert "--rebuild" in message


def test_locked(file):
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        message, bad = said(file, lambda: write(file))
    assert not bad
    assert "another process holds it" in message
    assert "--rebuild" not in message


def test_read_only(file):
    def work():
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db, db:
            db.execute("INSERT INTO t VALUES (1)")

    message, bad = said(file, work)
    assert (bad, "read-only" in message, "--rebuild" in message) == (False, True, False)


def test_out_of_descriptors(file):
    held = []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(sqlite3.Error) as caught:
            write(file)
        message = str(refusal(file, caught.value, REBUILD))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for handle in held:
            os.close(handle)
    assert "out of file descriptors" in message
    assert "--rebuild" not in message


def test_not_there(tmp_path):
    file = tmp_path / "gone" / "journal.sqlite"
    message, bad = said(file, lambda: write(file))
    assert (bad, "cannot be opened: No such file" in message) == (False, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("database or disk is full", "the disk is full"),
        ("disk I/O error", "the disk failed"),
        ("database is locked", "another process"),
        ("attempt to write a readonly database", "read-only"),
        ("database disk image is malformed", "damaged"),
    ],
)
def test_an_error_without_a_code_is_told_by_its_words(file, words, told, monkeypatch):
    monkeypatch.setattr(databases, "_full", lambda _: False)
    error = sqlite3.OperationalError(words)
    message = str(refusal(file, error, REBUILD))
    assert told in message
    assert ("--rebuild" in message) == (told == "damaged")


def test_a_disk_error_on_a_full_disk_is_a_full_disk(file, monkeypatch):
    monkeypatch.setattr(databases, "_full", lambda _: True)
    assert "full" in str(refusal(file, sqlite3.OperationalError("disk I/O error"), REBUILD))
