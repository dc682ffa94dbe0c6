"""A file is known by what is in it, and read once."""

import os

import pytest

from persongen_bench.util import contents as module
from persongen_bench.util.contents import contents


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))


def test_files_are_told_by_content_and_read_once(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    (tmp_path / "b.jpg").write_bytes(b"world")
    # `printf hello | sha256sum`, first 16 digits
    first = contents(tmp_path, ["a.jpg", "b.jpg"])
    assert first[0] == "2cf24dba5fb0a30e"
    monkeypatch.setattr(module, "short_sha256", lambda _: pytest.fail("read again"))
    assert contents(tmp_path, ["b.jpg", "a.jpg"]) == first[::-1]


def test_a_change_of_equal_size_is_seen_even_where_its_time_was_set_back(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"hello")
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    first = contents(tmp_path, ["a.jpg"])
    file.write_bytes(b"hallo")
    os.utime(file, ns=times)
    assert contents(tmp_path, ["a.jpg"]) != first


def test_a_damaged_memory_is_made_again(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    first = contents(tmp_path, ["a.jpg"])
    (memo,) = (tmp_path / "cache" / "digests").glob("*.json")
    memo.write_bytes(memo.read_bytes().replace(first[0].encode(), b"0" * 16))
    assert contents(tmp_path, ["a.jpg"]) == first
