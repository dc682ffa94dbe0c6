"""Shares of a run, which hang on nothing but its ids, and jobs that make one each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.request import Sample
from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Station
from persongen_bench.loop.engines.worker_journal import WorkerJournal, journals_of, told
from persongen_bench.loop.generate import Execution, parts_of
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.store import RunDirectory
from persongen_bench.util.batching import portion

COORDINATOR = "coordinator"
"""Worker whose journal tells what was made before there were shards."""
MOST = 100_000
_SHARE = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Share:
    """The ``place``-th of ``n`` shares of a run, counted from 1."""

    place: int
    n: int

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str]) -> Share:
        """As it is said, ``2/7``; unsaid, that of a Slurm array 1-N."""
        said = text
        if said is None:
            names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
            place, n = (environment.get(name, "") for name in names)
            first = environment.get("SLURM_ARRAY_TASK_MIN", "1")
            said = f"{place}/{n}" if first == "1" else ""
        match = _SHARE.fullmatch(said)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST:
            what = "no share is named" if text is None else f"{text!r} is no share"
            raise ConfigError(
                what, fix="Say I/N, such as 2/7, or submit an array of all N (sbatch --array=1-7)."
            )
        return cls(int(match[1]), int(match[2]))

    def samples(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Its block of the samples in canonical order, so that users stay together."""
        return samples[portion(len(samples), self.place, self.n)]

    def __str__(self) -> str:
        return f"shard-{self.place}-of-{self.n}"


def make_share(work: Work, share: Share, execution: Execution) -> tuple[int, int]:
    """Make what of a share no worker has journaled; how many were made now, and are in the share.

    The journal of the run is neither read nor written.
    """
    run, samples = work.run, work.world.asked(work.run.config).samples
    ours = share.samples(samples)
    journals = journals_of(run.path, run.config.run_id).values()
    done = {
        one.sample_id
        for batches in journals
        for batch in batches
        for one in batch.outcomes
        if one.state != "ok" or run.holds(one.sample_id)
    }
    todo = [s.sample_id for s in ours if run.veil.sample(s.sample_id) not in done]
    if todo:
        parts = parts_of(todo, work.world, execution)
        with Station.at(work, str(share)) as station:
            for part in execution.progress(parts, str(share), len(parts)):
                station.make(part)
    return len(todo), len(ours)


def tell_shards(run: RunDirectory) -> None:
    """Journal what is made already as a worker does, for shards, which read no other journal."""
    known = told(journals_of(run.path, run.config.run_id))
    names = ["sample_id", "state", "reason", "digest", "pixel_hash"]
    rows = run.samples()[names].to_dict("records")
    made = [
        Outcome(**{str(name): value for name, value in row.items()})
        for row in rows
        if row["state"] in ("ok", "method_error", "filtered") and row["sample_id"] not in known
    ]
    if made:
        with WorkerJournal.held(run.path, COORDINATOR, run.config.run_id) as journal:
            journal.append(Batch(made))


SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=pgbench
#SBATCH --array=1-{n}
#SBATCH --cpus-per-task={cpus}
# Add what your cluster asks for: --partition, --account, --time, --mem, --gpus-per-task=1.
# A share that was stopped goes on where it was: sbatch --array=3 THIS_FILE
set -eu
{exports}
exec {python} -m persongen_bench shard {what}--batch-size {batch} "$SLURM_ARRAY_TASK_ID/{n}" {run}
"""


def write_script(file: Path, words: Mapping[str, object]) -> Path:
    """Write the script of an array; ``words`` are those of `SCRIPT`, fit for a shell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SCRIPT.format(**words), encoding="utf-8")
    return file
