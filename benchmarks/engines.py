"""What an engine costs an answer, and what a second worker gains.

    python benchmarks/engines.py [--images 50 300] [--drawn 8 32] [--steps 300] [--repeats 3]

Everything is counted on the processor, user and system, of the coordinator, its workers and their
cells, so that a busy machine changes little. Ray's own processes, which every second of a cluster
costs, are left out.

**Overhead**: `random-item` reads a picture and writes it again. CPU of the stage that makes
answers, at two numbers of answers, gives the cost of one more; that of one local worker is the cost
in process, and what an engine costs above it is its overhead. Of shares it is that of making them
and of entering what their journals tell.

**Speed-up**: answers of a small prior that takes `--steps` steps for each, whose fit lies in the
cache. The chain of two workers is what cannot be done side by side: all CPU of the coordinator and
that of the worker which had most. The speed-up is the CPU of one more answer with one worker over
what it adds to the chain of two, so that the start (imports, restoring the fit), which a longer job
forgets, is left out; with the start and by the clock it stands beside. It is the ratio of the times
on a machine with a free processor for each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from persongen_bench.api.campaign import Campaign, choices_of
from persongen_bench.core.types import content_hash
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.engines.local import Local
from persongen_bench.loop.engines.merging import merge
from persongen_bench.loop.engines.ray_actors import Ray
from persongen_bench.loop.engines.seam import Batch, Engine, Work
from persongen_bench.loop.engines.shards import Share, make_share
from persongen_bench.loop.fit_part import FitPart
from persongen_bench.loop.generate import Execution, generate
from persongen_bench.loop.run import Job, prepare
from persongen_bench.loop.world import World, load_world
from persongen_bench.util import interrupt
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import cache_root

KINDS = ("local 1", "local 2", "ray 1", "shares 2")
MOST_MS, LEAST_GAIN = 2.0, 1.7
"""Targets: milliseconds of overhead, and the speed-up of two workers."""
BATCH = 16
TICKS = os.sysconf("SC_CLK_TCK")
PRIOR = {"max_epochs": 1, "n_layers": 2, "hidden_size": 64, "sampler": "ddim"}


def seconds_of(pid: int) -> float:
    """CPU of a process, and of those of its children that have ended and were waited for."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / TICKS


def below(pid: int) -> Iterator[int]:
    """A process and all that it started, but for Ray's own."""
    yield pid
    for child in _children(pid):
        yield from _actors(child) if _is_ray(child) else below(child)


def _actors(pid: int) -> Iterator[int]:
    """Actors of this package below one of Ray's processes."""
    for child in _children(pid):
        if _command(child).startswith("ray::Actor"):
            yield from below(child)


def _children(pid: int) -> Iterator[int]:
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended
            yield from map(int, file.read_text(encoding="ascii").split())


def _is_ray(pid: int) -> bool:
    return "/ray/" in _command(pid) or _command(pid).startswith("ray::")


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def used() -> float:
    """CPU of this process and of all who work for it."""
    return sum(map(seconds_of, below(os.getpid())))


@dataclass
class Seen:
    """An engine, and what its workers had used when the last part was made."""

    inner: Engine
    apart: bool = False
    fits_on: str = ""
    cells: list[float] = field(default_factory=list)
    """Of each cell of this process."""
    all_used: float = 0.0

    def fit(self, parts: Sequence[FitPart], world: World, n_workers: int) -> Iterator[int]:
        """As the engine does."""
        return self.inner.fit(parts, world, n_workers)

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """As the engine does."""
        for k, batch in enumerate(self.inner.make(work, parts, n_workers)):
            if k == len(parts) - 1:
                self.cells = [seconds_of(pid) for pid in interrupt.at_work]
                self.all_used = used()
            yield batch


@dataclass(frozen=True)
class Measured:
    """Of the stage that made the answers of a run."""

    n: int
    """Answers."""
    cpu: float
    """Seconds, of all who worked."""
    chain: float
    """Of the coordinator and of the worker that had most."""
    clock: float
    answers: str
    """Hash of what every answer is."""


def measure(kind: str, method: str, n_images: int, options: dict[str, Any]) -> Measured:
    """Make the answers of a new run in this process; it must not have made any before."""
    name, n = kind.split()
    folder = Path(tempfile.mkdtemp(dir=cache_root()))
    campaign = Campaign(
        methods=(MethodChoice(method, options=options),), dataset="dsprites", n_images=n_images,
        data_options={"n_images": 400}, beside=False, runs=folder,
    )  # fmt: skip
    world = load_world(campaign.world_ref())
    ((choice, anchor, _),) = choices_of(campaign)
    work = prepare(Job(world, campaign.terms(world), choice, 0, anchor), folder, Execution())
    engine = Seen(Ray() if name == "ray" else Local())
    start, clock = used(), time.perf_counter()
    with work.run.lock(), fixed_threads(1):
        if name == "shares":
            for place in range(1, int(n) + 1):
                make_share(work, Share(place, int(n)), Execution(batch_size=BATCH))
            merge(work.run)
        else:
            samples = world.asked(work.run.config).samples
            generate(work, samples, Execution(int(n), BATCH, engine=engine))
    seconds = max(used(), engine.all_used) - start
    clock = time.perf_counter() - clock
    table = work.run.samples()
    assert set(table["state"]) == {"ok"}
    chain = seconds - sum(engine.cells) + max(engine.cells, default=0.0)
    return Measured(
        len(table), seconds, chain, clock, content_hash(*table["sample_id"], *table["pixel_hash"])
    )


def once(*words: str) -> Measured:
    """`measure` in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--once", *words]
    done = subprocess.run(  # noqa: S603  # this file
        command, stdout=subprocess.PIPE, env=environment, check=True
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def overhead(kinds: Sequence[str], few: int, many: int, repeats: int) -> bool:
    """Print what one more answer costs each engine; whether all are below the target."""
    print(f"overhead, random-item, {few} and {many} answers a person, medians of {repeats}")
    once(KINDS[0], "random-item", "1", "{}")  # the fit; all others find it
    costs, met, made = dict[str, float](), True, set[str]()
    for kind in kinds:
        turns = [[once(kind, "random-item", str(n), "{}") for n in (few, many)]
                 for _ in range(repeats)]  # fmt: skip
        costs[kind] = statistics.median(
            1000 * (b.cpu - a.cpu) / (b.n - a.n) for a, b in turns
        )  # fmt: skip
        above = costs[kind] - costs[kinds[0]]
        met &= above < MOST_MS
        made |= {many.answers for _, many in turns}
        print(f"{kind:9} {costs[kind]:6.2f} ms an answer, {above:5.2f} above", flush=True)
    print(f"answers: {'equal' if len(made) == 1 else 'NOT EQUAL'}")
    return met and len(made) == 1


def speed_up(few: int, many: int, steps: int) -> bool:
    """Print what a second worker gains; whether it is enough."""
    options = json.dumps({**PRIOR, "n_inference_steps": steps})
    once(KINDS[0], "rebeca", "1", options)  # the fit
    (one_few, one), (two_few, two) = (
        [once(f"local {n}", "rebeca", str(images), options) for images in (few, many)]
        for n in (1, 2)
    )
    gain = (one.cpu - one_few.cpu) / (two.chain - two_few.chain)
    equal = "equal" if one.answers == two.answers else "NOT EQUAL"
    print(f"speed-up, rebeca with {steps} steps, {two_few.n} and {one.n} answers:")
    print(f"one worker {one_few.cpu:.1f} and {one.cpu:.1f} s")
    print(f"chain of two {two_few.chain:.1f} and {two.chain:.1f} s")
    print(f"{gain:.2f} times an answer, {one.cpu / two.chain:.2f} with the start, "
          f"{one.clock / two.clock:.2f} by the clock; {equal}")  # fmt: skip
    return gain >= LEAST_GAIN and one.answers == two.answers


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs=2, default=[50, 300], help="of each person")
    parser.add_argument("--drawn", type=int, nargs=2, default=[16, 64], help="likewise, speed-up")
    parser.add_argument("--engines", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--once", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        kind, method, n, options = given.once
        print(json.dumps(asdict(measure(kind, method, int(n), json.loads(options)))))
        return
    (few, many), (few_drawn, many_drawn) = given.images, given.drawn
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PGBENCH_CACHE"] = cache
        met = [
            overhead(given.engines, few, many, given.repeats),
            speed_up(few_drawn, many_drawn, given.steps),
        ]
    print(f"targets: {'met' if all(met) else 'missed'}")
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
