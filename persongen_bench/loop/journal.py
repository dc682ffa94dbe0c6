"""The journal of a run: the state of every sample and facts of every stage, transactional."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from persongen_bench.core.errors import RunError
from persongen_bench.core.request import Sample
from persongen_bench.core.types import SampleState
from persongen_bench.loop.explaining import Explained, parse

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
  sample_id TEXT PRIMARY KEY, position INTEGER NOT NULL, user_id TEXT NOT NULL,
  "index" INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending', reason TEXT NOT NULL DEFAULT '',
  pixel_hash TEXT NOT NULL DEFAULT '', seconds REAL, request_id TEXT NOT NULL DEFAULT '',
  digest TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS explanations (
  request_id TEXT PRIMARY KEY, said TEXT NOT NULL) WITHOUT ROWID;
"""
_LATER = ("request_id", "digest")
"""Columns that journals of schema version 1 lack."""
SAMPLE_COLUMNS = (
    "sample_id", "request_id", "user_id", "index", "state", "reason", "digest", "pixel_hash",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one sample."""

    sample_id: str
    state: SampleState
    reason: str = ""
    digest: str = ""
    """Of the answer, whatever its kind."""
    pixel_hash: str = ""
    """Of the image: the answer itself, or what the loop drew with it; empty where there is none."""
    seconds: float | None = None


class Journal:
    """One SQLite file; one writer at a time, any number of readers."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; errors say what to do."""
        try:
            with closing(sqlite3.connect(self.file, timeout=60)) as connection, connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_TABLES)
                _add_columns(connection)
                yield connection
        except sqlite3.DatabaseError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: sqlite3.DatabaseError) -> RunError:
        if "full" in str(error):
            return RunError(
                f"{self.file}: {error}", fix="Free some space, then `pgbench resume` this run."
            )
        return RunError(
            f"{self.file}: the journal is damaged ({error})",
            fix="`pgbench resume --rebuild` remakes it from the images; nothing else is lost.",
        )

    def plan(self, samples: Sequence[Sample]) -> None:
        """Enter the samples to make; those already known keep their state."""
        rows = [
            (s.sample_id, place, s.request.user_id, s.index, s.request.request_id)
            for place, s in enumerate(samples)
        ]
        insert = 'INSERT INTO samples (sample_id, position, user_id, "index", request_id)'
        known = (
            "ON CONFLICT (sample_id) DO UPDATE SET request_id=excluded.request_id "
            "WHERE samples.request_id = ''"  # a journal of schema version 1
        )
        with self.transaction() as db:
            db.executemany(f"{insert} VALUES (?, ?, ?, ?, ?) {known}", rows)

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Set the state of samples, in one transaction."""
        rows = [(o.state, o.reason, o.digest, o.pixel_hash, o.seconds, o.sample_id)
                for o in outcomes]  # fmt: skip
        update = "UPDATE samples SET state=?, reason=?, digest=?, pixel_hash=?, seconds=?"
        with self.transaction() as db:
            db.executemany(f"{update} WHERE sample_id=?", rows)

    def explain(self, said: Iterable[Explained]) -> None:
        """Keep what the method said of requests."""
        rows = [(one.request_id, one.line()) for one in said]
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO explanations VALUES (?, ?)", rows)

    def explanations(self) -> list[Explained]:
        """What the method said of requests, in canonical order."""
        with self.transaction() as db:
            lines = dict(db.execute("SELECT request_id, said FROM explanations").fetchall())
            asked = db.execute("SELECT request_id FROM samples ORDER BY position").fetchall()
        known = [parse(lines[name]) for name in dict.fromkeys(n for (n,) in asked) if name in lines]
        return [one for one in known if one is not None]

    def note(self, key: str, value: object) -> None:
        """Remember a fact of a stage."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """A remembered fact, None where there is none."""
        with self.transaction() as db:
            row = db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def samples(self) -> pd.DataFrame:
        """All samples in canonical order: `SAMPLE_COLUMNS` and ``seconds``."""
        columns = ", ".join(f'"{name}"' for name in (*SAMPLE_COLUMNS, "seconds"))
        with self.transaction() as db:
            rows = db.execute(f"SELECT {columns} FROM samples ORDER BY position").fetchall()  # noqa: S608  # constant names
        return pd.DataFrame(rows, columns=[*SAMPLE_COLUMNS, "seconds"])

    def delete(self) -> None:
        """Remove the file, to be made anew."""
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(f"{self.file.name}{suffix}").unlink(missing_ok=True)


def _add_columns(db: sqlite3.Connection) -> None:
    """Bring a journal of schema version 1 up to date; its answers are images."""
    known = {row[1] for row in db.execute("PRAGMA table_info(samples)")}
    for name in _LATER:
        if name not in known:
            db.execute(f"ALTER TABLE samples ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    if not known.issuperset(_LATER):
        db.execute("UPDATE samples SET digest = pixel_hash")
