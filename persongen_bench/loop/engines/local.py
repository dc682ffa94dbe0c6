"""The coordinator's own workers: each a home of the method, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Worker, fitted_home
from persongen_bench.loop.fit_part import FitPart, make_part
from persongen_bench.loop.world import World

W = TypeVar("W")
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Local:
    """Processes on this machine; threads of this one wait for them."""

    devices: tuple[str, ...] = ()
    """One for each worker, which is pinned to it; none: workers take what they find."""
    apart = False

    @property
    def fits_on(self) -> str:
        """The first of its devices."""
        return next(iter(self.devices), "")

    def fit(self, parts: Sequence[FitPart], world: World, n_workers: int) -> Iterator[int]:
        """Users of each part as it is made; each part has a home of its own."""
        devices = self.devices[:n_workers] or [""] * n_workers

        def make(device: str, part: FitPart) -> int:
            return make_part(part, world, device=device)

        return _side_by_side(make, devices, parts)

    def make(self, work: Work, parts: Sequence[list[str]], n_workers: int) -> Iterator[Batch]:
        """Batches as they are made, by as many workers as there are, each in a home of its own."""
        n_workers = min(n_workers, len(parts))
        with ExitStack() as street:
            devices = self.devices[:n_workers] or [""] * n_workers
            homes = [street.enter_context(fitted_home(work, device)) for device in devices]
            workers = [Worker(work.run, work.world, home) for home in homes]
            if n_workers == 1:
                yield from (workers[0].make(part) for part in parts)
            else:
                yield from _side_by_side(Worker.make, workers, parts)


def _side_by_side(do: Callable[[W, J], R], workers: Sequence[W], jobs: Sequence[J]) -> Iterator[R]:
    """Each worker takes the next job when it is done with one; threads wait for processes."""
    free: SimpleQueue[W] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def done(job: J) -> R:
        worker = free.get()
        try:
            return do(worker, job)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from (one.result() for one in as_completed([pool.submit(done, j) for j in jobs]))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
