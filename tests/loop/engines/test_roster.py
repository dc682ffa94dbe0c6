"""How far workers are and where: told while they work, by whoever asks."""

import os
import time
from dataclasses import astuple
from types import SimpleNamespace

import pytest
from engine_case import data_in, hashes, job_on, made_by, share_of

from persongen_bench.api import engines
from persongen_bench.loop.engines import roster
from persongen_bench.loop.engines.shards import Share
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import prepare


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path / "cache"))
    return data_in(tmp_path)


@pytest.fixture
def prepared(tmp_path, data):
    """Path of a run that is fitted and has no answers."""
    return prepare(job_on(data), tmp_path / "runs", Execution()).run.path


def test_each_worker_is_told_of_until_all_is_made(prepared, data, monkeypatch):
    """Each time that nothing is new another share is made: the wait ends when all are."""
    assert engines.status(prepared) == ([], 0, 24)
    left, seen = [1, 2, 3], []

    def sleep(_):
        rows, n_made, n = engines.status(prepared)
        seen.append(([astuple(row)[:3] for row in rows], n_made, n))
        place = left.pop()
        share_of(prepared, data, Share(place, 3), 4)

    monkeypatch.setattr(roster, "time", SimpleNamespace(sleep=sleep, time=time.time))
    bars = []

    def progress(items, description, total=None):
        for done, item in enumerate(items, 1):
            bars.append((description, done, total))
            yield item

    made = engines.merge(prepared, data, Execution(progress=progress), wait=True)
    assert seen == [
        ([], 0, 24),
        ([("shard-3-of-3", 8, 0)], 8, 24),
        ([("shard-2-of-3", 8, 0), ("shard-3-of-3", 8, 0)], 16, 24),
    ]
    assert [bar for bar in bars if bar[0] == "all workers"] == [
        ("all workers", k, 24) for k in range(1, 25)
    ]
    assert hashes(made.path) == made_by(data, data.parent / "one", Execution())


def test_where_a_worker_is_lies_in_the_cache_while_it_is_there(prepared, data, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "the-host")
    with roster.entered(prepared, "shard-1-of-2", "cuda:1"):
        assert roster._where(prepared, "shard-1-of-2") == (
            f"the-host, process {os.getpid()}, cuda:1"
        )
    assert roster._where(prepared, "shard-1-of-2") == ""
    share_of(prepared, data, Share(1, 2), 12)
    texts = [file.read_bytes() for file in prepared.rglob("*") if file.is_file()]
    assert not [text for text in texts if b"the-host" in text]


def test_what_others_write_in_the_roster_is_no_more_than_words(prepared):
    with roster.entered(prepared, "w", ""):
        (file,) = roster._folder(prepared).iterdir()
        for text in (b"[]", b"{", b"\xff", b'{"host": 1}'):
            file.write_bytes(text)
            assert roster._where(prepared, "w") == ""
