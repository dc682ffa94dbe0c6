"""The journal of a run: the state of every sample and facts of every stage, transactional."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from persongen_bench.core.errors import RunError
from persongen_bench.core.later import pd
from persongen_bench.core.regular_files import other_kind
from persongen_bench.core.request import Sample
from persongen_bench.core.types import SampleState
from persongen_bench.loop.explaining import Explained, parse
from persongen_bench.util.databases import refusal, unwritable

T = TypeVar("T")
PATIENCE = 15.0
"""Seconds to wait for another process that holds the file."""

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
            with self._connected(self.file) as connection:
                yield connection
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` on a file that is there; where it cannot be written a copy is read."""
        if not self.present:
            raise RunError(f"{self.file}: the journal is missing or empty", fix=self._rebuilt)
        try:
            with self._connected(self.file) as connection:
                return work(connection)
        except sqlite3.Error as error:
            if not unwritable(error):
                raise self._refusal(error) from None
            first = error
        with tempfile.TemporaryDirectory(prefix="pgbench-journal-") as folder:
            copy = Path(folder) / self.file.name
            try:
                for suffix in ("", "-wal"):
                    with suppress(FileNotFoundError):
                        shutil.copyfile(_beside(self.file, suffix), _beside(copy, suffix))
                with self._connected(copy) as connection:
                    return work(connection)
            except (sqlite3.Error, OSError):
                raise self._refusal(first) from None

    @contextmanager
    def _connected(self, file: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(file, timeout=PATIENCE)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)
            _add_columns(connection)
            yield connection

    @property
    def present(self) -> bool:
        """Whether there is a file with anything in it; `RunError` for a pipe or a folder."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return False
        kind = other_kind(found.st_mode)
        if kind is not None:
            said = f"{self.file}: is {kind}, expected the journal of a run"
            raise RunError(said, fix=f"Move it away, then {self._rebuilt}")
        return found.st_size > 0

    @property
    def _rebuilt(self) -> str:
        folder = self.file.parent
        return f"`pgbench resume --rebuild {folder}` remakes it from the answers; nothing is lost."

    def _refusal(self, error: sqlite3.Error) -> RunError:
        return refusal(self.file, error, self._rebuilt)

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
        lines = dict(self._rows("SELECT request_id, said FROM explanations"))
        asked = self._rows("SELECT request_id FROM samples ORDER BY position")
        known = [parse(lines[name]) for name in dict.fromkeys(n for (n,) in asked) if name in lines]
        return [one for one in known if one is not None]

    def _rows(self, query: str, *values: str) -> list[Any]:
        return self._read(lambda db: db.execute(query, values).fetchall())

    def note(self, key: str, value: object) -> None:
        """Remember a fact of a stage."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """A remembered fact, None where there is none."""
        rows = self._rows("SELECT value FROM meta WHERE key=?", key)
        return self._fact(rows[0][0]) if rows else None

    def facts(self) -> dict[str, Any]:
        """Every remembered fact by name."""
        return {key: self._fact(value) for key, value in self._rows("SELECT key, value FROM meta")}

    def _fact(self, text: str) -> Any:  # noqa: ANN401  # any JSON value
        try:
            return json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise RunError(
                f"{self.file}: the journal is damaged ({error})", fix=self._rebuilt
            ) from None

    def samples(self) -> pd.DataFrame:
        """All samples in canonical order: `SAMPLE_COLUMNS` and ``seconds``."""
        columns = ", ".join(f'"{name}"' for name in (*SAMPLE_COLUMNS, "seconds"))
        rows = self._rows(f"SELECT {columns} FROM samples ORDER BY position")  # noqa: S608  # constant names
        return pd.DataFrame(rows, columns=[*SAMPLE_COLUMNS, "seconds"])

    def delete(self) -> None:
        """Remove the file, to be made anew."""
        for suffix in ("", "-wal", "-shm"):
            _beside(self.file, suffix).unlink(missing_ok=True)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(f"{file.name}{suffix}")


def _add_columns(db: sqlite3.Connection) -> None:
    """Bring a journal of schema version 1 up to date; its answers are images."""
    known = {row[1] for row in db.execute("PRAGMA table_info(samples)")}
    for name in _LATER:
        if name not in known:
            db.execute(f"ALTER TABLE samples ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    if not known.issuperset(_LATER):
        db.execute("UPDATE samples SET digest = pixel_hash")
