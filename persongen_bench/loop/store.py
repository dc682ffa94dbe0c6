"""The run directory: the source of truth of a run.

::

    run.json           identity: track, data, split, method, stack, seed (schema.RunConfig); where
                       the data lie is kept outside the directory (`util.private`)
    provenance.json    versions, git revision, device, weights, command lines
    journal.sqlite     state of every sample and stage; transactional (WAL)
    images/ab/ab...png one file per sample, named by its id; rankings/, adapters/ likewise, and
                       with an adapter the image that was drawn with it
    samples.parquet    exports, written when the run is complete
    scores.parquet
    summary.json       the numbers with their intervals; its presence means complete
    cost.json          seconds, memory, bytes; differs between machines
    explanations.jsonl how the method used requests, where it says so
    copies.json        what of the data the images repeat (loop.copies), copies.parquet by image
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.images import MAX_BYTES
from persongen_bench.core.output import IMAGE, OutputKind, kind_of
from persongen_bench.core.regular_files import read_regular, shown
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Image
from persongen_bench.loop import documents, explaining
from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.journal import SAMPLE_COLUMNS, Journal, Outcome
from persongen_bench.loop.results import RunResults, read_results
from persongen_bench.loop.schema import Budget, RunConfig, Summary
from persongen_bench.loop.veil import Veil
from persongen_bench.util import private
from persongen_bench.util.files import write_atomic


class RunDirectory:
    """One run on disk. Create with `create` or `open`; every write is atomic."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        self.config = config
        self.kind: OutputKind = kind_of(config.output)
        self.journal = Journal(path / "journal.sqlite")
        self.veil = Veil(config)

    @classmethod
    def create(cls, path: Path, config: RunConfig, samples: Sequence[Sample]) -> RunDirectory:
        """Make the directory, or open it where it is already this very run."""
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.config.run_id != config.run_id:
                raise RunError(f"{path}: holds another run", fix="Choose another folder.")
            run.score_by(config)
            run.chosen_among(config.method.budget)
            if config.dataset.root is not None:
                run.data_lies_in(Path(config.dataset.root))
        else:
            run = cls(path, config)
            run._write_config()
        run.plan(samples)
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run directory; where its data lie this machine remembers, or nobody."""
        if not path.is_dir():
            raise RunError(f"{path}: no such run directory", fix="See `pgbench list runs`.")
        config = documents.read(RunConfig, path / "run.json")
        root = private.recall_place(config.dataset.name, config.dataset.revision)
        return cls(path, config if root is None else _at(config, root))

    def score_by(self, other: RunConfig) -> None:
        """Take over by which metrics and tests ``other`` is scored; the images stay.

        A run that is to be tested otherwise than it was is not complete any more.
        """
        before, self.config = self.config, self.config.scored_by(other)
        if self.config != before:
            self._write_config()
        tests = [(config.permute, config.permute_images) for config in (before, self.config)]
        if tests[0] != tests[1]:
            (self.path / "summary.json").unlink(missing_ok=True)

    def chosen_among(self, budget: Budget | None) -> None:
        """Remember the search that chose the configuration; of several the one that tried most."""
        known = self.config.method.budget
        if budget is not None and budget.n_tried > (known.n_tried if known else 0):
            method = self.config.method.model_copy(update={"budget": budget})
            self.config = self.config.model_copy(update={"method": method})
            self._write_config()

    def data_lies_in(self, root: Path) -> None:
        """Remember where the data lie now; worker processes open them from there."""
        self.config = _at(self.config, root.resolve())
        self.veil = Veil(self.config, self.veil.users)
        self._remember_place()

    def _remember_place(self) -> None:
        data = self.config.dataset
        if data.root is not None:
            private.remember_place(data.name, data.revision, Path(data.root))

    def _write_config(self) -> None:
        self._remember_place()
        write_atomic(self.path / "run.json", self.config.model_dump_json(indent=1).encode())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off this run; the lock ends with the process."""
        try:
            with FileLock(self.path / ".lock", timeout=0):
                yield
        except Timeout:
            raise RunError(f"{self.path}: another process is working on this run") from None

    def plan(self, samples: Sequence[Sample]) -> None:
        """Enter the samples to make; those already known keep their state."""
        self.journal.plan(self.veil.plan(samples))

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Set the state of samples, in one transaction."""
        self.journal.record(map(self.veil.outcome, outcomes))

    def explain(self, said: Iterable[Explained]) -> None:
        """Keep what the method said of requests."""
        self.journal.explain(map(self.veil.explained, said))

    def note(self, key: str, value: object) -> None:
        """Remember a fact of a stage."""
        self.journal.note(key, value)

    def noted(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """A remembered fact, None where there is none."""
        return self.journal.noted(key)

    def samples(self) -> pd.DataFrame:
        """All samples as the directory names them, with ``seconds``, in canonical order.

        That is by pseudonyms where the names are pseudonyms.
        """
        return self.journal.samples()

    def outcomes(self, samples: Sequence[Sample]) -> pd.DataFrame:
        """What became of the planned samples, under the names of the data; as `samples`."""
        return self.veil.lifted(self.samples(), samples)

    def output_path(self, sample_id: str, kind: OutputKind | None = None) -> Path:
        """Where the answer of a sample lies; of another kind than the run's: what was drawn."""
        kind, sample_id = kind or self.kind, self.veil.sample(sample_id)
        folder = self.path / f"{kind.name}s" / sample_id[:2]
        return folder / f"{sample_id}{kind.suffix}"

    def holds(self, sample_id: str) -> bool:
        """Whether everything that belongs to an answered sample is on disk."""
        return all(self.output_path(sample_id, kind).exists() for kind in self._kinds)

    def write(self, sample_id: str, answer: Any, drawn: Image | None = None) -> tuple[str, str]:  # noqa: ANN401  # of the run's kind
        """Store an answer and what was drawn with it; returns `Outcome`'s digest and pixel hash.

        By these a lost or torn file is found out.
        """
        digest = self._write(sample_id, self.kind, answer)
        if self.kind is IMAGE:
            return digest, digest
        return digest, "" if drawn is None else self._write(sample_id, IMAGE, drawn)

    def _write(self, sample_id: str, kind: OutputKind, value: Any) -> str:  # noqa: ANN401  # of this kind
        path = self.output_path(sample_id, kind)
        write_atomic(path, kind.to_bytes(value), durable=False)
        return kind.digest(value)

    def read_output(self, sample_id: str, digest: str) -> Any:  # noqa: ANN401  # of the run's kind
        """Read an answer and check it against the journal, as `read_image` does."""
        return self._read(sample_id, self.kind, digest)

    def read_image(self, sample_id: str, pixel_hash: str) -> Image:
        """Read an image and check it against the journal.

        A damaged or missing one is marked for regeneration and raises `RunError`.
        """
        image: Image = self._read(sample_id, IMAGE, pixel_hash)
        return image

    def _read(self, sample_id: str, kind: OutputKind, digest: str) -> Any:  # noqa: ANN401  # of this kind
        path = self.output_path(sample_id, kind)
        try:
            value = read_file(path, kind)
            problem = "" if kind.digest(value) == digest else f"not the {kind.name} recorded"
        except DataError as error:
            problem = str(error)
        if problem:
            self.record([Outcome(sample_id, "pending")])
            raise RunError(
                f"{path}: {problem}",
                fix=f"It was marked for regeneration: `pgbench resume {self.path}`.",
            )
        return value

    def rebuild_journal(self, samples: Sequence[Sample]) -> int:
        """Make the journal anew from the files on disk; returns how many answers were intact."""
        self.journal.delete()
        self.plan(samples)
        self.journal.explain(explaining.read_explanations(self.path).values())
        intact = []
        for sample in samples:
            try:
                values = [read_file(self.output_path(sample.sample_id, k), k) for k in self._kinds]
            except DataError:
                continue
            digests = [k.digest(value) for k, value in zip(self._kinds, values, strict=True)]
            pixels = digests[-1] if self._kinds[-1] is IMAGE else ""
            intact.append(Outcome(sample.sample_id, "ok", "", digests[0], pixels))
        self.record(intact)
        return len(intact)

    @property
    def _kinds(self) -> tuple[OutputKind, ...]:
        """What lies on disk of an answered sample: the answer, and the image drawn with it."""
        return (self.kind, IMAGE) if self.kind.drawable else (self.kind,)

    def export(self, summary: Summary, scores: pd.DataFrame, cost: dict[str, Any]) -> None:
        """Write the results; ``summary.json`` last, since it means complete."""
        samples, scores = self.samples()[list(SAMPLE_COLUMNS)], self.veil.scores(scores)
        (self.path / "summary.json").unlink(missing_ok=True)
        write_atomic(self.path / "samples.parquet", samples.to_parquet(index=False))
        write_atomic(self.path / "scores.parquet", scores.to_parquet(index=False))
        write_atomic(self.path / "cost.json", json.dumps(cost, indent=1).encode())
        explaining.write_explanations(self.path, self.journal.explanations())
        document = self.veil.summary(summary).model_dump_json(indent=1)
        write_atomic(self.path / "summary.json", document.encode())

    @property
    def complete(self) -> bool:
        """Whether every stage is done, for the metrics asked for."""
        file = self.path / "summary.json"
        if not file.exists():
            return False
        return set(documents.read(Summary, file).metrics) == set(self.config.metrics)

    def results(self) -> RunResults:
        """The exported results; raises `RunError` where the run is not complete."""
        if not self.complete:
            raise RunError(
                f"{self.path}: the run is not complete", fix=f"`pgbench resume {self.path}`."
            )
        return read_results(self.path, self.config)


def _at(config: RunConfig, root: Path) -> RunConfig:
    """The same run with its data in ``root``."""
    dataset = config.dataset.model_copy(update={"root": str(root)})
    return config.model_copy(update={"dataset": dataset})


def read_file(path: Path, kind: OutputKind) -> Any:  # noqa: ANN401  # of this kind
    """The answer in a regular file; raises `DataError` for no such one, or one not of this kind."""
    most = MAX_BYTES if kind is IMAGE else None
    return kind.from_bytes(read_regular(path, kind.name, most), shown(path))


def find_runs(root: Path) -> list[Path]:
    """Folders with a ``run.json`` below ``root`` (or ``root`` itself), sorted."""
    if not root.is_dir():
        raise RunError(f"{root}: no such folder", fix="Make a run first: `pgbench run`.")
    return sorted(file.parent for file in root.rglob("run.json"))
