"""The run directory: the source of truth of a run.

::

    run.json           identity: track, data, split, method, stack, seed (schema.RunConfig); where
                       the data lie is kept outside the directory (`util.private`)
    provenance.json    versions, git revision, device, weights, command lines
    journal.sqlite     state of every sample and stage; transactional (WAL)
    facts.json         facts of the stages once more, so that they outlive the journal
    images/ab/ab...png one file per sample, named by its id; rankings/, adapters/ likewise, and
                       with an adapter the image that was drawn with it
    samples.parquet    exports, written when the run is complete; scores.parquet likewise
    summary.json       the numbers with their intervals; its presence means complete
    cost.json          seconds, memory, bytes; differs between machines
    explanations.jsonl how the method used requests, where it says so
    workers/           journals and logs of workers elsewhere (loop.engines.worker_journal)
    copies.json        what of the data the images repeat (loop.copies), copies.parquet by image
    human.json         what people said of it in studies (loop.human), where one was made
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.later import pd
from persongen_bench.core.output import IMAGE, OutputKind, kind_of
from persongen_bench.core.plain import json_text
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Image
from persongen_bench.loop import documents, explaining, rebuilding
from persongen_bench.loop.answer_files import AnswerFiles, run_folders
from persongen_bench.loop.answer_files import read_file as read_file
from persongen_bench.loop.explaining import Explained
from persongen_bench.loop.facts import keep_facts, read_facts
from persongen_bench.loop.journal import SAMPLE_COLUMNS, Journal, Outcome
from persongen_bench.loop.locking import after_all, locked
from persongen_bench.loop.results import RunResults, read_results, read_summary
from persongen_bench.loop.schema import Budget, RunConfig, Summary
from persongen_bench.loop.seal import sealed
from persongen_bench.loop.veil import Veil
from persongen_bench.util import private
from persongen_bench.util.files import write_atomic
from persongen_bench.util.sealed import notice


class RunDirectory(AnswerFiles):
    """One run on disk. Create with `create` or `open`; every write is atomic."""

    def __init__(self, path: Path, config: RunConfig) -> None:
        super().__init__(path, kind_of(config.output), Veil(config))
        self.config = config
        self.journal = Journal(path / "journal.sqlite")
        self.held = False
        """Whether this object holds the lock."""

    @classmethod
    def create(cls, path: Path, config: RunConfig, samples: Sequence[Sample]) -> RunDirectory:
        """Make the directory, or open it where it is already this very run."""
        with cls.entered(path, config, samples) as run:
            return run

    @classmethod
    @contextmanager
    def entered(
        cls, path: Path, config: RunConfig, samples: Sequence[Sample]
    ) -> Iterator[RunDirectory]:
        """`create`, with the lock held from before the first write till the end of the block."""
        with locked(path):
            run = cls._begun(path, config)
            run.enter(samples)
            run.held = True
            try:
                yield run
            finally:
                run.held = False

    @classmethod
    def _begun(cls, path: Path, config: RunConfig) -> RunDirectory:
        if not (path / "run.json").exists():
            run = cls(path, config.model_copy(update={"created": after_all(path, config.created)}))
            run._write_config()
            return run
        run = cls.open(path)
        if run.config.run_id != config.run_id:
            raise RunError(f"{path}: holds another run", fix="Choose another folder.")
        run.score_by(config)
        run.chosen_among(config.method.budget)
        if config.dataset.root is not None:
            run.lies_in(Path(config.dataset.root))
            run.remember_place()
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
        """`lies_in`, also for those who open the run later."""
        self.lies_in(root)
        self.remember_place()

    def lies_in(self, root: Path) -> None:
        """Where the data lie now; worker processes open them from there."""
        self.config = _at(self.config, root.resolve())
        self.veil = Veil(self.config, self.veil.users)

    def remember_place(self) -> None:
        """Have this machine know where the data lie."""
        data = self.config.dataset
        if data.root is not None:
            private.remember_place(data.name, data.revision, Path(data.root))

    def _write_config(self) -> None:
        self.remember_place()
        write_atomic(self.path / "run.json", documents.written(self.config))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes off this run; the lock ends with the process."""
        with locked(self.path):
            self.held = True
            try:
                yield
            finally:
                self.held = False

    def enter(self, samples: Sequence[Sample]) -> None:
        """`plan`; a journal that is missing is made anew from the answers there are."""
        if not self.journal.present and self._begun_before:
            notice(f"{self.journal.file}: missing; it is made anew from the answers on disk")
            self.rebuild_journal(samples)
        else:
            self.plan(samples)

    @property
    def _begun_before(self) -> bool:
        """Whether there are results or answers."""
        folders = map(self.folder, self.kinds)
        return (self.path / "summary.json").exists() or any(f.exists() for f in folders)

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
        """Remember a fact of a stage, in the journal and beside it."""
        self.journal.note(key, value)
        keep_facts(self.path, {key: value})

    def noted(self, key: str) -> Any:  # noqa: ANN401  # any JSON value
        """A remembered fact, None where there is none."""
        known = self.journal.noted(key)
        return read_facts(self.path).get(key) if known is None else known

    def samples(self) -> pd.DataFrame:
        """All samples as the directory names them, with ``seconds``, in canonical order.

        That is by pseudonyms where the names are pseudonyms.
        """
        return self.journal.samples()

    def outcomes(self, samples: Sequence[Sample]) -> pd.DataFrame:
        """What became of the planned samples, under the names of the data; as `samples`.

        Raises `RunError` where the journal lacks one of them.
        """
        table = self.samples()
        names = {self.veil.sample(sample.sample_id) for sample in samples}
        n_lost = len(names.difference(table["sample_id"]))
        if n_lost:
            raise RunError(
                f"{self.journal.file}: it lacks {n_lost} of {len(samples)} samples",
                fix=f"`pgbench resume --rebuild {self.path}` remakes it from the answers.",
            )
        return self.veil.lifted(table, samples)

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
            marked = "It was marked for regeneration: " if self._mark(sample_id) else ""
            raise RunError(f"{path}: {problem}", fix=f"{marked}`pgbench resume {self.path}`.")
        return value

    def _mark(self, sample_id: str) -> bool:
        """Have a sample made again, where this process may say so."""
        with suppress(RunError, OSError):
            with nullcontext() if self.held else self.lock():
                self.record([Outcome(sample_id, "pending")])
            return True
        return False

    def rebuild_journal(self, samples: Sequence[Sample]) -> int:
        """Make the journal anew from what lies beside it; returns how many answers are intact."""
        rows, facts = rebuilding.exported(self.path), rebuilding.facts_of(self.path, self.journal)
        self.journal.delete()
        self.plan(samples)
        self.journal.explain(explaining.read_explanations(self.path).values())
        for key, value in facts.items():
            self.note(key, value)
        known = rebuilding.outcomes(self, samples, rows)
        self.record(known)
        return sum(outcome.state == "ok" for outcome in known)

    def keep_facts(self) -> None:
        """Have beside the journal what it knows; a run of before has it there alone."""
        keep_facts(self.path, self.journal.facts())

    def export(self, summary: Summary, scores: pd.DataFrame, cost: dict[str, Any]) -> None:
        """Write the results; ``summary.json`` last, since it means complete."""
        samples, summary = self.samples()[list(SAMPLE_COLUMNS)], self.veil.summary(summary)
        scores = sealed(self.veil.scores(scores), summary)
        (self.path / "summary.json").unlink(missing_ok=True)
        write_atomic(self.path / "samples.parquet", samples.to_parquet(index=False))
        write_atomic(self.path / "scores.parquet", scores.to_parquet(index=False))
        write_atomic(self.path / "cost.json", json_text(cost).encode())
        explaining.write_explanations(self.path, self.journal.explanations())
        write_atomic(self.path / "summary.json", documents.written(summary))

    @property
    def complete(self) -> bool:
        """Whether every stage is done, for the metrics asked for."""
        return read_summary(self.path, self.config) is not None

    def results(self) -> RunResults:
        """The exported results; raises `RunError` where the run is not complete."""
        summary = read_summary(self.path, self.config)
        if summary is None:
            raise RunError(
                f"{self.path}: the run is not complete", fix=f"`pgbench resume {self.path}`."
            )
        return read_results(self.path, self.config, summary)


def _at(config: RunConfig, root: Path) -> RunConfig:
    """The same run with its data in ``root``."""
    dataset = config.dataset.model_copy(update={"root": str(root)})
    return config.model_copy(update={"dataset": dataset})


def find_runs(root: Path) -> list[Path]:
    """Folders with a ``run.json`` below ``root`` (or ``root`` itself), sorted."""
    if not root.is_dir():
        raise RunError(f"{root}: no such folder", fix="Make a run first: `pgbench run`.")
    return run_folders(root)
