"""What a worker made, a line of JSON a part, appended to a file of its own in the run directory.

SQLite's WAL does not work on the file systems that machines share, and appending to a file that
nobody else writes does. A line is flushed to the disk when the answers it tells of are files. A
line that is cut short, or is not what a worker of this run writes, counts for nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from filelock import FileLock, Timeout
from pydantic import ConfigDict, Field, FiniteFloat, ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.regular_files import read_regular
from persongen_bench.loop.engines.seam import Batch
from persongen_bench.loop.explaining import parse
from persongen_bench.loop.journal import Outcome
from persongen_bench.util.sealed import notice

FOLDER = "workers"
"""Folder of a run directory that journals and logs of workers lie in."""
MOST_BYTES = 1 << 30
"""Of a journal."""
PATIENCE = 15.0
"""Seconds to wait for a worker of the same name that is ending."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
Digest = Annotated[str, Field(max_length=128, pattern="^[0-9a-zA-Z:_-]*$")]
Words = Annotated[str, Field(max_length=4000)]


class _Strict(Config):
    model_config = ConfigDict(strict=True)


class Settled(_Strict):
    """What became of a sample; `Outcome` as a worker may say it."""

    sample_id: Name
    state: Literal["ok", "method_error", "filtered"]
    reason: Words = ""
    digest: Digest = ""
    pixel_hash: Digest = ""
    seconds: Annotated[FiniteFloat, Field(ge=0)] | None = None


class Part(_Strict):
    """`Batch` as it is written."""

    run: Name
    """`RunConfig.run_id`."""
    outcomes: tuple[Settled, ...]
    roles: dict[Name, Words] = Field(default_factory=dict)
    references: dict[Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    explained: tuple[str, ...] = ()
    refused: tuple[Words, ...] = ()
    peak_mb: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    wall: Words = ""

    def batch(self) -> Batch:
        """As the coordinator takes it."""
        said = (parse(line) for line in self.explained)
        return Batch(
            [Outcome(**dict(one)) for one in self.outcomes],
            dict(self.roles),
            Counter(self.references),
            [one for one in said if one is not None],
            list(self.refused),
            self.peak_mb,
            self.wall,
        )


class Line(_Strict):
    """A line of a journal."""

    part: Part
    sha256: str
    """Of ``part`` as pydantic writes it."""


def line_of(batch: Batch, run_id: str) -> str:
    """A batch as a line, without its end."""
    part = Part(
        run=run_id,
        outcomes=tuple(Settled(**asdict(one)) for one in batch.outcomes),
        roles=batch.roles,
        references=dict(batch.references),
        explained=tuple(one.line() for one in batch.explained),
        refused=tuple(batch.refused),
        peak_mb=batch.peak_mb,
        wall=batch.wall,
    )
    return Line(part=part, sha256=_sum(part)).model_dump_json()


def _sum(part: Part) -> str:
    return hashlib.sha256(part.model_dump_json().encode()).hexdigest()


def batch_of(line: bytes | str, run_id: str) -> Batch | None:
    """What a line tells; None for one that no worker of this run wrote, or not to its end."""
    try:
        read = Line.model_validate_json(line)
    except ValidationError:
        return None
    part = read.part
    if part.run != run_id or read.sha256 != _sum(part):
        return None
    if any((one.state == "ok") != bool(one.digest) for one in part.outcomes):
        return None
    return part.batch()


class WorkerJournal:
    """The journal of one worker, which it alone appends to."""

    def __init__(self, stream: BinaryIO, run_id: str) -> None:
        self._stream, self._run_id = stream, run_id

    @classmethod
    @contextmanager
    def held(cls, run: Path, name: str, run_id: str) -> Iterator[WorkerJournal]:
        """Open one to go on with it; what was cut short at its end is removed.

        Raises `RunError` where another process holds it.
        """
        file = run / FOLDER / f"{name}.jsonl"
        file.parent.mkdir(exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise RunError(
                f"{run}: another process is making {name} of this run", fix="Wait for it."
            ) from None
        try:
            with file.open("ab") as stream:
                stream.truncate(_whole(file))
                yield cls(stream, run_id)
        finally:
            lock.release()

    def append(self, batch: Batch) -> str:
        """Have a batch on the disk; the line that tells of it."""
        line = line_of(batch, self._run_id)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return line


def _whole(file: Path) -> int:
    """Bytes of a file up to the end of its last whole line."""
    data = read_regular(file, "journal", MOST_BYTES)
    return data.rfind(b"\n") + 1


def read_journal(file: Path, run_id: str) -> list[Batch]:
    """What a worker's journal tells; its bad lines are skipped, with a notice but for the last."""
    try:
        lines = read_regular(file, "journal", MOST_BYTES).split(b"\n")
    except DataError as error:
        notice(f"{error}; what it tells is made again")
        return []
    read = [batch_of(line, run_id) for line in lines[:-1]]
    n_bad = sum(one is None for one in read)
    if n_bad:
        notice(f"{file}: {n_bad} of {len(read)} lines are not what a worker of this run writes")
    return [one for one in read if one is not None]


def journals_of(run: Path, run_id: str) -> dict[str, list[Batch]]:
    """What every worker of a run tells, by its name, in the order of the names."""
    files = sorted((run / FOLDER).glob("*.jsonl"))
    return {file.stem: read_journal(file, run_id) for file in files}


Told = Mapping[str, Sequence[Batch]]
"""What workers tell, by their names."""


def told(journals: Told) -> set[str]:
    """Samples that some worker tells of, as the directory names them."""
    batches = (batch for told_by in journals.values() for batch in told_by)
    return {one.sample_id for batch in batches for one in batch.outcomes}
