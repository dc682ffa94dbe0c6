"""Makes the runs of a campaign; one that fails stops nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.errors import PgbenchError, disk_error
from persongen_bench.core.seams import cause_of
from persongen_bench.leaderboards.gallery import draw_contact_sheet
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World
from persongen_bench.util.files import write_atomic

if TYPE_CHECKING:
    from persongen_bench.api.campaign import Campaign

FAILURES = "failures"
"""Folder below the runs that holds the tracebacks of runs that failed."""


@dataclass(frozen=True)
class Task:
    """One run of a campaign."""

    campaign: Campaign
    choice: MethodChoice
    anchor: bool
    seed: int
    own: bool = True
    """Whether the user asked for it, and not the board."""
    part: str = ""
    """Which one it is of the runs that a method makes with one seed, such as ``k=8``."""

    @property
    def label(self) -> str:
        """The method's, and the part."""
        return f"{self.choice.label} {self.part}".rstrip()

    def make(self, world: World, execution: Execution) -> RunResults:
        """Make the run on the campaign's world, and its picture."""
        terms, threads = self.campaign.terms(world), self.campaign.threads
        job = Job(world, terms, self.choice, self.seed, self.anchor, threads)
        return make(job, self.campaign.runs, execution)


@dataclass(frozen=True)
class Attempt:
    """What came of a task: its folder, or why there is none."""

    task: Task
    path: Path | None
    reason: str = ""
    error: PgbenchError | None = None
    """Where it was one of this package, raised in this process."""

    def results(self) -> RunResults:
        """What the run exported."""
        if self.path is None:
            raise ValueError("nothing was made")
        return RunDirectory.open(self.path).results()


def make(job: Job, runs: Path, execution: Execution) -> RunResults:
    """Make one run, and its picture."""
    results = run(job, runs, execution)
    draw_contact_sheet(results, job.world)
    return results


def attempt(task: Task, work: Callable[[], RunResults]) -> Attempt:
    """Try one task by ``work``. Whatever it raises but ``KeyboardInterrupt`` is its reason.

    The traceback of an error that is not this package's is kept below the runs (`FAILURES`).
    """
    try:
        return Attempt(task, work().path)
    except PgbenchError as error:
        return Attempt(task, None, str(error), error)
    except KeyboardInterrupt:
        raise
    except OSError as error:
        if error.errno is None:
            return Attempt(task, None, f"{cause_of(error)}{_kept(task)}")
        told = disk_error(error)
        return Attempt(task, None, str(told), told)
    except BaseException as error:  # noqa: BLE001  # methods of others, which may do anything
        return Attempt(task, None, f"{cause_of(error)}{_kept(task)}")


def _kept(task: Task) -> str:
    """Where the traceback of the present error lies, as the reason ends."""
    label = "".join(c if c.isalnum() or c in "-_.=" else "_" for c in task.label)[:80]
    file = Path(FAILURES) / f"{label}-seed{task.seed}.txt"
    try:
        (task.campaign.runs / FAILURES).mkdir(parents=True, exist_ok=True)
        text = traceback.format_exc().encode("utf-8", "backslashreplace")
        write_atomic(task.campaign.runs / file, text)
    except OSError:
        return ""
    return f" (traceback: {file} below the runs)"
