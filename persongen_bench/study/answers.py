"""The answers of a study in SQLite: one for a code and a trial, on the disk before it is said so.

Table ``participants``: ``hash``, of every code that may answer. Table ``claims``: ``person``, a
hash that says nothing, and ``hash``, of the code that was handed out to them. Table ``answers``:
``code``, ``trial``, ``document`` (an `Answer` as JSON), in the order in which they came. The
journal is SQLite's rollback journal, flushed at every commit; what is deleted is overwritten.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from persongen_bench.core.errors import DataError, PgbenchError
from persongen_bench.study.folder import StudyFolder, code_hash, tidy
from persongen_bench.study.records import Answer

Kept = Literal["new", "known", "other"]
"""An answer is the first of its trial, the one that is there, or another than the one there."""
PATIENCE = 2.0
"""Seconds to wait for somebody else who writes or reads."""
_TABLES = """
CREATE TABLE IF NOT EXISTS participants (hash TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS claims (person TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS answers (
    place INTEGER PRIMARY KEY, code TEXT NOT NULL, trial TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (code, trial)
) STRICT;
"""

_FREE = "SELECT hash FROM participants WHERE hash NOT IN (SELECT hash FROM claims) LIMIT 1"


class UnkeptError(PgbenchError):
    """The disk takes nothing now; what was there is as it was."""


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
        """Keep the first answer to a trial; see `keep_all`."""
        return self.keep_all([answer])[0]

    def keep_all(self, answers: Sequence[Answer]) -> list[Kept]:
        """Keep the first answer to every trial; when this returns, they are on the disk.

        Raises:
            DataError: where a code may not answer (any more); nothing is kept then.
            UnkeptError: where the disk takes nothing.
        """
        with _written(self._connection):
            return [self._keep(answer) for answer in answers]

    def _keep(self, answer: Answer) -> Kept:
        if not self.admits(answer.code):
            raise DataError("this code may not answer")
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

    def withdraw(self, code: str, folder: StudyFolder) -> int:
        """Delete the answers of a code, admit it no more, and strike it from the study's codes.

        Returns:
            How many answers there were.

        Raises:
            DataError: if nothing here knows the code.
        """
        with _written(self._connection):  # also of the codes: two may withdraw at a time
            gone = self._connection.execute("DELETE FROM answers WHERE code = ?", (code,)).rowcount
            n_known = gone
            for table in ("participants", "claims"):
                query = f"DELETE FROM {table} WHERE hash = ?"  # noqa: S608  # one of two names
                n_known += self._connection.execute(query, (code_hash(code),)).rowcount
            codes = folder.codes()
            if not n_known and code not in codes:
                raise DataError(
                    "the study has no such code", fix="It may have been withdrawn before."
                )
            folder.write_codes({one: user for one, user in codes.items() if one != code})
        return gone


def read_answers(folder: StudyFolder) -> list[Answer]:
    """Every answer that a study has, in the order in which they came."""
    with Answers(folder.answers_file) as answers:
        return list(answers.all())


def withdraw(folder: StudyFolder, code: str) -> int:
    """Delete what a study has of a participant, also whom the code stands for.

    Args:
        folder: of the study.
        code: as it was typed.

    Returns:
        How many answers there were.

    Raises:
        DataError: if the study has no such code, any more.
    """
    with Answers(folder.answers_file) as answers:
        return answers.withdraw(tidy(code), folder)


def _connect(file: Path) -> sqlite3.Connection:
    """A connection for one thread at a time, whichever."""
    connection = sqlite3.connect(
        file, timeout=PATIENCE, isolation_level=None, check_same_thread=False
    )
    for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_TABLES)
    return connection


@contextmanager
def _written(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that nobody else writes in: committed when the block ends well, else undone."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise UnkeptError(
                f"the answers cannot be written: {error}", fix="Try again in a while."
            ) from error
        raise
