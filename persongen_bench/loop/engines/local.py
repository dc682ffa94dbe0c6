"""The coordinator's own workers: each a home of the method, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue

from persongen_bench.loop.engines.seam import Batch, Work
from persongen_bench.loop.engines.station import Worker, fitted_home


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
                yield from _side_by_side(workers, parts)


def _side_by_side(workers: Sequence[Worker], parts: Sequence[list[str]]) -> Iterator[Batch]:
    """Each worker takes the next batch when it is done with one; threads wait for processes."""
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def make(part: list[str]) -> Batch:
        worker = free.get()
        try:
            return worker.make(part)
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(len(workers))
    try:
        yield from (job.result() for job in as_completed([pool.submit(make, p) for p in parts]))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
