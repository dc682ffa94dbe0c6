"""How numerical work is run: threads, workers that end with their parent, memory."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from persongen_bench.util.interrupt import end_when_told


def n_cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


THREADS = max(1, min(4, n_cores() // 2))
"""Half the cores: numerical threads that wait for a busy core slow each other down badly."""


@contextmanager
def fixed_threads(n: int) -> Iterator[None]:
    """Numerical threads of torch set to ``n`` inside, where torch is in use."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def end_with(parent: int) -> None:
    """This worker ends when the process ``parent`` does, or tells it to, with its own workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    end_when_told()


def peak_memory_mb() -> float:
    """Peak resident memory of this process and its workers so far, in MB; 0: unknown (Windows)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    scale = 1e6 if sys.platform == "darwin" else 1e3
    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in users) / scale
