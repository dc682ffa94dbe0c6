"""A run whose workers, actors, shares and coordinators are killed: `python engine_kills.py FOLDER`.

A script of its own, which forks from an interpreter that has imported what a run imports and has
computed nothing. With RAY_ADDRESS some of it is done by actors. Prints one JSON document.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from crashing import count_changes, done, forked
from engine_case import data_in, hashes, job_on, made_by, share_of
from warm_server import Warm

from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.ray_actors import Ray
from persongen_bench.loop.engines.shards import Share
from persongen_bench.loop.engines.worker_journal import FOLDER
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import prepare
from persongen_bench.loop.wall import launch
from persongen_bench.util import interrupt

N_SHARES = 7
RAY_EVERY = 5
"""An actor takes seconds to come up: of so many steps one is done by actors."""


class KillingLocal(Local):
    """Kills a worker when some parts are made."""

    def make(self, work, parts, n_workers):
        """As always, but for that."""
        at = len(parts) // 2
        for k, batch in enumerate(super().make(work, parts, n_workers)):
            yield batch
            if k == at:
                os.kill(max(interrupt.at_work), signal.SIGKILL)
                (work.run.path.parents[2] / "killed").touch()


class KillingRay(Ray):
    """Kills an actor when some parts are made."""

    def make(self, work, parts, n_workers):
        """As always, but for that."""
        at = len(parts) // 2
        for k, batch in enumerate(super().make(work, parts, n_workers)):
            yield batch
            if k == at:
                logs = max((work.run.path / FOLDER).glob("ray-*.log"), key=os.path.getmtime)
                process = re.findall(r"process (\d+)", logs.read_text())[-1]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
                (work.run.path.parents[2] / "killed").touch()


class Walk:
    """Runs that are killed again and again until they are complete."""

    def __init__(self, base: Path, seed: int) -> None:
        self.base, self.data = base, base / "data"
        self.random, self.kills = np.random.default_rng(seed), Counter[str]()
        self.ray = bool(os.environ.get("RAY_ADDRESS"))
        self.step = 0

    def run(self, folder: Path) -> tuple[str, ...]:
        """One run, with kills of every kind until it is complete; hashes of what it exports."""
        folder.mkdir()
        assert done(forked(lambda: prepare(job_on(self.data), folder / "runs", Execution()))) == 0
        (path,) = (file.parent for file in (folder / "runs").rglob("run.json"))
        for place in self.random.permutation(N_SHARES)[:3]:
            self.share(path, int(place) + 1)
        for _ in range(2):
            self.coordinator(folder)
        self.worker(folder)
        assert done(forked(lambda: made_by(self.data, folder / "runs", Execution(2, 5)))) == 0
        return hashes(path)

    def share(self, path: Path, place: int) -> None:
        """Make a share, killed at a file event of it; what is left of it others make."""
        at = int(self.random.integers(1, 12))

        def work():
            count_changes(path, at)
            share_of(path, self.data, Share(place, N_SHARES), batch_size=1)

        self.note("share", done(forked(work)))

    def coordinator(self, folder: Path) -> None:
        """Go on with any engine, killed at a file event of the coordinator."""
        self.step += 1
        if self.ray and self.step % RAY_EVERY == 0:
            kind, engine, n_workers = "coordinator of actors", Ray(), 2
        else:
            kind, engine, n_workers = "coordinator", Local(), int(self.random.choice([1, 2, 4]))
        at = int(self.random.integers(1, 60))
        execution = Execution(n_workers, int(self.random.integers(1, 5)), engine=engine)

        def work():
            count_changes(folder, at)
            made_by(self.data, folder / "runs", execution)

        self.note(kind, done(forked(work)))

    def worker(self, folder: Path) -> None:
        """Go on to the end; a worker, or an actor, is killed on the way."""
        self.step += 1
        kind, engine = "worker", KillingLocal()
        if self.ray and self.step % RAY_EVERY == 0:
            kind, engine = "actor", KillingRay()
        execution = Execution(2, 1, engine=engine)
        status = done(forked(lambda: made_by(self.data, folder / "runs", execution)))
        assert status == 0, f"{kind}: {status}"
        self.kills[kind] += (folder / "killed").exists()

    def note(self, kind: str, status: int) -> None:
        """Count a kill, if it was one."""
        assert status in (0, -signal.SIGKILL), f"{kind}: {status}"
        self.kills[kind] += status != 0


def main(base: Path, n_kills: int) -> None:
    """Walk until there were so many kills."""
    import ray  # noqa: F401  # before others are forked

    base.mkdir()
    os.environ["PGBENCH_CACHE"] = str(base / "cache")
    data = data_in(base)
    warm = launch.subprocess = Warm()
    try:

        def imported():
            made_by(data, base / "reference", Execution(2))
            (base / "imported").write_text("\n".join(sys.modules))

        assert done(forked(imported)) == 0
        for name in (base / "imported").read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)  # once for all that are forked from now on
        (path,) = (file.parent for file in (base / "reference").rglob("run.json"))
        expected, walk, same, runs = hashes(path), Walk(base, seed=15), 0, 0
        while walk.kills.total() < n_kills and runs < n_kills:
            same += walk.run(base / f"run{runs}") == expected
            runs += 1
    finally:
        warm.close()
    sys.stdout.write("\n" + json.dumps({"kills": walk.kills, "runs": runs, "same": same}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
