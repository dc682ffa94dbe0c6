"""The answers of a study in SQLite: one for a code and a trial, on the disk before it is said so.

Table ``participants``: ``hash``, of every code that may answer. Table ``claims``: ``person``, a
hash that says nothing, and ``hash``, of the code that was handed out to them. Table ``answers``:
``code``, ``trial``, ``document`` (an `Answer` as JSON), in the order in which they came. The
journal is SQLite's rollback journal, flushed at every commit; what is deleted is overwritten.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from persongen_bench.core.errors import DataError
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.records import Answer
from persongen_bench.util.files import write_atomic

Kept = Literal["new", "known", "other"]
"""An answer is the first of its trial, the one that is there, or another than the one there."""
_TABLES = """
CREATE TABLE IF NOT EXISTS participants (hash TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS claims (person TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS answers (
    place INTEGER PRIMARY KEY, code TEXT NOT NULL, trial TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (code, trial)
) STRICT;
"""

_FREE = "SELECT hash FROM participants WHERE hash NOT IN (SELECT hash FROM claims) LIMIT 1"


class Answers:
    """The database of one study; use it as a context, from one thread at a time."""

    def __init__(self, file: Path) -> None:
        """Raises `DataError` where there is no such database."""
        if not file.is_file():
            raise DataError(f"{file}: no answers", fix="Make a study: `pgbench study new`.")
        self._connection = _connect(file)

    @classmethod
    def make(cls, file: Path, codes: Iterable[str]) -> None:
        """A new database in which these codes may answer."""
        connection = _connect(file)
        with _written(connection):
            rows = [(code_hash(code),) for code in codes]
            connection.executemany("INSERT INTO participants VALUES (?)", rows)
        connection.close()

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def admits(self, code: str) -> bool:
        """Whether a code is one of a participant who has not withdrawn; in constant time."""
        said, found = code_hash(code), False
        for (known,) in self._connection.execute("SELECT hash FROM participants"):
            found |= hmac.compare_digest(known, said)
        return found

    def keep(self, answer: Answer) -> Kept:
        """Keep the first answer to a trial; when this returns, it is on the disk."""
        with _written(self._connection):
            known = self._document(answer)
            if known is not None:
                same = known.model_copy(update={"kept_at": answer.kept_at}) == answer
                return "known" if same else "other"
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            document = answer.model_copy(update={"kept_at": now}).model_dump_json()
            self._connection.execute(
                "INSERT INTO answers (code, trial, document) VALUES (?, ?, ?)",
                (answer.code, answer.trial, document),
            )
        return "new"

    def _document(self, answer: Answer) -> Answer | None:
        query = "SELECT document FROM answers WHERE code = ? AND trial = ?"
        row = self._connection.execute(query, (answer.code, answer.trial)).fetchone()
        return None if row is None else Answer.model_validate_json(row[0])

    def all(self) -> Iterator[Answer]:
        """Every answer, in the order in which they came."""
        for (document,) in self._connection.execute("SELECT document FROM answers ORDER BY place"):
            yield Answer.model_validate_json(document)

    def claim(self, person: str) -> str | None:
        """Hash of the code of a person without one: the same each time; None: all are taken."""
        with _written(self._connection):
            query = "SELECT hash FROM claims WHERE person = ?"
            known = self._connection.execute(query, (person,)).fetchone()
            free = known or self._connection.execute(_FREE).fetchone()
            if known is None and free is not None:
                self._connection.execute("INSERT INTO claims VALUES (?, ?)", (person, free[0]))
        return None if free is None else str(free[0])

    def withdraw(self, code: str) -> int:
        """Delete the answers of a code and admit it no more; how many answers there were."""
        with _written(self._connection):
            gone = self._connection.execute("DELETE FROM answers WHERE code = ?", (code,))
            for table in ("participants", "claims"):
                self._connection.execute(f"DELETE FROM {table} WHERE hash = ?", (code_hash(code),))  # noqa: S608
            return gone.rowcount


def read_answers(folder: StudyFolder) -> list[Answer]:
    """Every answer that a study has, in the order in which they came."""
    with Answers(folder.answers_file) as answers:
        return list(answers.all())


def withdraw(folder: StudyFolder, code: str) -> int:
    """Delete what a study has of a participant, also whom the code stands for.

    Returns:
        How many answers there were.

    Raises:
        DataError: if the study has no such code, any more.
    """
    with Answers(folder.answers_file) as answers:
        codes = folder.codes()
        if code not in codes and not answers.admits(code):
            raise DataError("the study has no such code", fix="It may have been withdrawn before.")
        n_gone = answers.withdraw(code)
    lines = "".join(f"{one}\t{user}\n" for one, user in codes.items() if one != code)
    write_atomic(folder.codes_file, lines.encode())
    folder.codes_file.chmod(0o600)
    return n_gone


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30, isolation_level=None)
    for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_TABLES)
    return connection


@contextmanager
def _written(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that nobody else writes in; committed when the block ends well."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
