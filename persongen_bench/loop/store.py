"""The run directory: the source of truth of a run.

::

    run.json           identity: track, data, split, method, stack, seed (schema.RunConfig)
    provenance.json    versions, git revision, device, weights, command lines
    journal.sqlite     state of every sample and stage; transactional (WAL)
    images/ab/ab...png one PNG per sample, named by its id
    samples.parquet    exports, written when the run is complete
    scores.parquet
    summary.json       the numbers with their intervals; its presence means complete
    cost.json          seconds, memory, bytes; differs between machines
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from persongen_bench.core import images
from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Image, SampleState
from persongen_bench.loop import schema
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.util.files import write_atomic

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
  sample_id TEXT PRIMARY KEY, position INTEGER NOT NULL, user_id TEXT NOT NULL,
  "index" INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending', reason TEXT NOT NULL DEFAULT '',
  pixel_hash TEXT NOT NULL DEFAULT '', seconds REAL) WITHOUT ROWID;
"""
SAMPLE_COLUMNS = ("sample_id", "user_id", "index", "state", "reason", "pixel_hash")


@dataclass(frozen=True)
class RunResults:
    """A complete run as boards read it.

    ``scores``: columns ``user_id, metric, value, signature``; ``samples``: ``sample_id, user_id,
    index, state, reason, pixel_hash`` in canonical order; ``cost``: plain numbers by name
    (``fit_seconds, seconds_per_image_p50, seconds_per_image_p95, peak_memory_mb,
    bytes_per_user``), kept apart because they differ between machines.
    """

    path: Path
    config: RunConfig
    summary: Summary
    scores: pd.DataFrame
    samples: pd.DataFrame
    cost: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one sample."""

    sample_id: str
    state: SampleState
    reason: str = ""
    pixel_hash: str = ""
    seconds: float | None = None


class RunDirectory:
    """One run on disk. Create with `create` or `open`; every write is atomic."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config

    @classmethod
    def create(cls, path: Path, config: RunConfig, samples: Sequence[Sample]) -> RunDirectory:
        """Make the directory, or open it where it is already this very run."""
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.config.run_id != config.run_id:
                raise RunError(f"{path}: holds another run", fix="Choose another folder.")
            run.score_by(config.metrics)
        else:
            run = cls(path, config)
            run._write_config()
        run.plan(samples)
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run directory."""
        if not path.is_dir():
            raise RunError(f"{path}: no such run directory", fix="See `pgbench list runs`.")
        return cls(path, schema.read(RunConfig, path / "run.json"))

    def score_by(self, metrics: tuple[str, ...]) -> None:
        """Change which metrics the run is scored by; its images stay."""
        if metrics != self.config.metrics:
            self.config = self.config.model_copy(update={"metrics": metrics})
            self._write_config()

    def data_lies_in(self, root: Path) -> None:
        """Remember where the data lie now; worker processes open them from there."""
        dataset = self.config.dataset.model_copy(update={"root": str(root.resolve())})
        self.config = self.config.model_copy(update={"dataset": dataset})
        self._write_config()

    def _write_config(self) -> None:
        write_atomic(self.path / "run.json", self.config.model_dump_json(indent=1).encode())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off this run; the lock ends with the process."""
        try:
            with FileLock(self.path / ".lock", timeout=0):
                yield
        except Timeout:
            raise RunError(f"{self.path}: another process is working on this run") from None

    @contextmanager
    def journal(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the journal."""
        file = self.path / "journal.sqlite"
        try:
            with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_TABLES)
                yield connection
        except sqlite3.DatabaseError as error:
            raise self._journal_error(file, error) from None

    @staticmethod
    def _journal_error(file: Path, error: sqlite3.DatabaseError) -> RunError:
        if "full" in str(error):
            return RunError(
                f"{file}: {error}", fix="Free some space, then `pgbench resume` this run."
            )
        return RunError(
            f"{file}: the journal is damaged ({error})",
            fix="`pgbench resume --rebuild` remakes it from the images; nothing else is lost.",
        )

    def plan(self, samples: Sequence[Sample]) -> None:
        """Enter the samples to make; those already known keep their state."""
        rows = [(s.sample_id, i, s.request.user_id, s.index) for i, s in enumerate(samples)]
        insert = 'INSERT OR IGNORE INTO samples (sample_id, position, user_id, "index")'
        with self.journal() as db:
            db.executemany(f"{insert} VALUES (?, ?, ?, ?)", rows)

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Set the state of samples, in one transaction."""
        rows = [(o.state, o.reason, o.pixel_hash, o.seconds, o.sample_id) for o in outcomes]
        update = "UPDATE samples SET state=?, reason=?, pixel_hash=?, seconds=? WHERE sample_id=?"
        with self.journal() as db:
            db.executemany(update, rows)

    def note(self, key: str, value: object) -> None:
        """Remember a fact of a stage."""
        with self.journal() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """A remembered fact, None where there is none."""
        with self.journal() as db:
            row = db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def samples(self) -> pd.DataFrame:
        """All samples in canonical order, with ``seconds``."""
        columns = ", ".join(f'"{name}"' for name in (*SAMPLE_COLUMNS, "seconds"))
        with self.journal() as db:
            rows = db.execute(f"SELECT {columns} FROM samples ORDER BY position").fetchall()  # noqa: S608  # constant names
        return pd.DataFrame(rows, columns=[*SAMPLE_COLUMNS, "seconds"])

    def image_path(self, sample_id: str) -> Path:
        """Where the image of a sample lies."""
        return self.path / "images" / sample_id[:2] / f"{sample_id}.png"

    def write_image(self, sample_id: str, image: Image) -> str:
        """Store an image; returns its pixel hash, by which a lost or torn file is found out."""
        write_atomic(self.image_path(sample_id), images.png_bytes(image), durable=False)
        return images.pixel_hash(image)

    def read_image(self, sample_id: str, pixel_hash: str) -> Image:
        """Read an image and check it against the journal.

        A damaged or missing one is marked for regeneration and raises `RunError`.
        """
        try:
            image = images.read(self.image_path(sample_id))
            problem = "" if images.pixel_hash(image) == pixel_hash else "not the image recorded"
        except DataError as error:
            problem = str(error)
        if problem:
            self.record([Outcome(sample_id, "pending")])
            raise RunError(
                f"{self.image_path(sample_id)}: {problem}",
                fix=f"It was marked for regeneration: `pgbench resume {self.path}`.",
            )
        return image

    def rebuild_journal(self, samples: Sequence[Sample]) -> int:
        """Make the journal anew from the images on disk; returns how many were found intact."""
        for suffix in ("", "-wal", "-shm"):
            (self.path / f"journal.sqlite{suffix}").unlink(missing_ok=True)
        self.plan(samples)
        found = []
        for sample in samples:
            try:
                image = images.read(self.image_path(sample.sample_id))
            except DataError:
                continue
            found.append(Outcome(sample.sample_id, "ok", pixel_hash=images.pixel_hash(image)))
        self.record(found)
        return len(found)

    def export(self, summary: Summary, scores: pd.DataFrame, cost: dict[str, Any]) -> None:
        """Write the results; ``summary.json`` last, since it means complete."""
        samples = self.samples()[list(SAMPLE_COLUMNS)]
        (self.path / "summary.json").unlink(missing_ok=True)
        write_atomic(self.path / "samples.parquet", samples.to_parquet(index=False))
        write_atomic(self.path / "scores.parquet", scores.to_parquet(index=False))
        write_atomic(self.path / "cost.json", json.dumps(cost, indent=1).encode())
        write_atomic(self.path / "summary.json", summary.model_dump_json(indent=1).encode())

    @property
    def complete(self) -> bool:
        """Whether every stage is done, for the metrics asked for."""
        file = self.path / "summary.json"
        if not file.exists():
            return False
        return set(schema.read(Summary, file).metrics) == set(self.config.metrics)

    def results(self) -> RunResults:
        """The exported results; raises `RunError` where the run is not complete."""
        if not self.complete:
            raise RunError(
                f"{self.path}: the run is not complete", fix=f"`pgbench resume {self.path}`."
            )
        return RunResults(
            path=self.path,
            config=self.config,
            summary=schema.read(Summary, self.path / "summary.json"),
            scores=_parquet(self.path / "scores.parquet"),
            samples=_parquet(self.path / "samples.parquet"),
            cost=json.loads((self.path / "cost.json").read_text(encoding="utf-8")),
        )


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: not a readable Parquet file ({error})",
            fix="`pgbench score` this run to write it again.",
        ) from None


def find_runs(root: Path) -> list[Path]:
    """Folders with a ``run.json`` below ``root`` (or ``root`` itself), sorted."""
    if not root.is_dir():
        raise RunError(f"{root}: no such folder", fix="Make a run first: `pgbench run`.")
    return sorted(file.parent for file in root.rglob("run.json"))
