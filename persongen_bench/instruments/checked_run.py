"""What `pgbench check` does with a method besides its contract: a tiny run of it, as `run` does.

The method lives in a process of its own, behind the wall, and what it was refused there is told.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.output import IMAGE
from persongen_bench.core.roles import lacking
from persongen_bench.loop import run as loop_run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.disguise import disguised_world
from persongen_bench.testing.methods import MethodContract
from persongen_bench.testing.require import FatalError, require
from persongen_bench.testing.toy import write_folder

STACK = "pixels"
"""The stack of the run: it is there on every machine. Methods that need more are not run."""
TERMS = Terms("check", "prompt-free", ("taste-gap",), n_images=2, n_history=3)
_ENDED = ("its process", "SystemExit", "twice on one sample")


@dataclass(frozen=True)
class Outcome:
    """What became of the run."""

    results: RunResults | None
    stopped: str = ""
    """Why there are no results."""


class RunMethodContract(MethodContract):
    """The contract of a method, and a run of it."""

    @classmethod
    def checks(cls) -> list[str]:
        """The run comes first: what ends its process there would end this one."""
        names = super().checks()
        return sorted(names, key=lambda name: not name.startswith("test_run"))

    def applies(self, check: str) -> bool:
        """The run binds installed methods that make images with what `STACK` has."""
        if not check.startswith("test_run"):
            return super().applies(check)
        if not isinstance(self.method, str):
            return False
        method = self.make()
        served = not lacking(registry.get("stacks", STACK)(), method.roles)
        return (
            registry.find("methods", self.method).installed
            and method.makes == IMAGE.name
            and served
        )

    def test_run_ends_well(self) -> None:
        """It is fitted and asked in a process of its own, and does not end that."""
        outcome = self._outcome()
        if outcome.results is None:
            raise FatalError(outcome.stopped)
        for reason in outcome.results.samples["reason"].unique():
            if str(reason).startswith(_ENDED):
                raise FatalError(f"a sample has no answer: {reason}")

    def test_run_refuses_nothing(self) -> None:
        """It reaches for nothing but its view, its models and its own files.

        Made again, alone and in another process, its answers are the same.
        """
        results = self._outcome().results
        notes = () if results is None else results.summary.notes
        require(not notes, "; ".join(notes))

    def _outcome(self) -> Outcome:
        return self.once("run", self._run)

    def _run(self) -> Outcome:
        assert isinstance(self.method, str)
        options = self.make().config.model_dump(mode="json")
        with tempfile.TemporaryDirectory() as folder, cache_in(Path(folder) / "cache"):
            data = write_folder(disguised_world(self.seed or 0), Path(folder) / "data")
            world = load_world(WorldRef("folder", STACK, {"like_threshold": 2}, data))
            job = loop_run.Job(world, TERMS, MethodChoice(self.method, options=options))
            try:
                return Outcome(loop_run.run(job, Path(folder) / "runs", Execution(batch_size=5)))
            except (PgbenchError, MemoryError, OSError) as error:
                return Outcome(None, " ".join(str(error).split()))


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Another cache for as long."""
    before = os.environ.get("PGBENCH_CACHE")
    os.environ["PGBENCH_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("PGBENCH_CACHE")
        if before is not None:
            os.environ["PGBENCH_CACHE"] = before
