"""What a captioner said about images, on disk by content, each text with its checksum."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from persongen_bench.core.types import Description
from persongen_bench.util.cache_places import make_folder
from persongen_bench.util.databases import damaged, refusal
from persongen_bench.util.descriptions import described, stored
from persongen_bench.util.sealed import said_bad

_TABLES = """
CREATE TABLE IF NOT EXISTS words (key TEXT PRIMARY KEY, said TEXT);
CREATE TABLE IF NOT EXISTS sums (key TEXT PRIMARY KEY, sum INTEGER NOT NULL);
"""
T = TypeVar("T")


class DescriptionTable:
    """The words of one captioner, by content; a text without a checksum is of before."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, pixel_hashes: Sequence[str]) -> dict[str, Description]:
        """The descriptions there are of these images; a damaged one is none, after a notice."""
        wanted = json.dumps(list(dict.fromkeys(pixel_hashes)))
        query = (
            "SELECT key, said, sum FROM words LEFT JOIN sums USING (key) "
            "WHERE key IN (SELECT value FROM json_each(?))"
        )
        rows = self._within(lambda db: db.execute(query, (wanted,)).fetchall())
        known, n_bad = {}, 0
        for key, said, kept in rows:
            read = _read(key, said, kept)
            n_bad += read is None
            if read is not None:
                known[key] = read
        if n_bad:
            said_bad(self._file, f"{n_bad} descriptions are not what was written")
        return known

    def add(self, pixel_hashes: Sequence[str], said: Sequence[Description]) -> None:
        """Keep new descriptions."""
        pairs = zip(pixel_hashes, said, strict=True)
        rows = [(h, json.dumps(stored(d))) for h, d in pairs]

        def write(db: sqlite3.Connection) -> None:
            sums = [(key, _sum(key, text)) for key, text in rows]
            db.executemany("INSERT OR REPLACE INTO words VALUES (?, ?)", rows)
            db.executemany("INSERT OR REPLACE INTO sums VALUES (?, ?)", sums)

        self._within(write)

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` in a transaction; a damaged file is made anew once."""
        make_folder(self._file.parent)
        try:
            with self._open() as db:
                return work(db)
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise refusal(self._file, error, "") from None
            said_bad(self._file, str(error))
        for suffix in ("", "-wal", "-shm", "-journal"):
            self._file.with_name(f"{self._file.name}{suffix}").unlink(missing_ok=True)
        with self._open() as db:
            return work(db)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=60)) as db, db:
            db.executescript(_TABLES)
            yield db


def _sum(key: str, said: str) -> int:
    return zlib.crc32(f"{key}\0{said}".encode("utf-8", "surrogatepass"))


def _read(key: object, said: object, kept: object) -> Description | None:
    """A row as it was written; None for another one."""
    try:
        if kept is not None and kept != _sum(str(key), str(said)):
            return None
        return described(json.loads(str(said)))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
