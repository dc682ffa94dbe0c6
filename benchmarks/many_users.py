"""A whole run of many users by a cheap method: CPU seconds and peak memory, by how many there are.

    OMP_NUM_THREADS=1 python benchmarks/many_users.py [--users 250 500 1000 2000] [--images 8]

Each number of users is a `pgbench run` of `nearest-item` of its own in tasteworld, with an empty
cache: everybody is tested, rates 40 of the same 4,000 pictures and is answered with retrieved ones,
so that what is measured is the loop: preparing, asking, writing, scoring, testing. Seconds are
those of the processor, user and system, of the whole tree of processes; memory is the largest
resident set of any one of them. Printed are both by size, and what a further user costs from each
size to the next, which is the same at every step where time is linear. ``--profile`` writes one of
the process that leads the run beside its table.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BENT = 1.25
"""Most that a user of the last step may cost, as a multiple of one of the first."""
GIB = 2.0
"""Most that a process may hold."""
EVERY = 0.2
"""Seconds between two looks at the processes' memory; the kernel keeps each one's peak."""
N_ITEMS, N_RATED = 4000, 40
METHOD = "nearest-item"


@dataclass(frozen=True)
class Measured:
    """One run."""

    users: int
    seconds: float
    """CPU seconds of the whole tree."""
    peaks: tuple[float, ...]
    """GiB of each process, largest first."""


def command(users: int, images: int, folder: Path) -> list[str]:
    """The run as it is typed."""
    sizes = {
        "n_users": users, "n_panel": users, "n_cold": 0, "n_items": N_ITEMS,
        "n_ratings": N_RATED * users, "panel_ratings": 20,
    }  # fmt: skip
    options = [word for name, n in sizes.items() for word in ("--data-option", f"{name}={n}")]
    return [
        "-m", "persongen_bench", "run", "--method", METHOD, "--no-beside", "--n-images",
        str(images), "--runs", str(folder / "runs"), *options,
    ]  # fmt: skip


def measured(users: int, images: int, profile: Path | None) -> Measured:
    """Run it in an empty cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {"PGBENCH_CACHE": str(folder / "cache")}
        words = command(users, images, folder)
        if profile is not None:
            words = ["-m", "cProfile", "-o", str(profile), *words]
        before = _spent()
        child = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        peaks: dict[int, float] = {}
        while child.poll() is None:
            peaks |= _peaks(child.pid)
            time.sleep(EVERY)
        said = child.stderr.read() if child.stderr else ""
        if child.returncode:
            raise SystemExit(said)
        return Measured(users, _spent() - before, tuple(sorted(peaks.values(), reverse=True)))


def _spent() -> float:
    """CPU seconds of all that this process started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peaks(root: int) -> dict[int, float]:
    """Peak resident GiB of a process and of those below it, by their number."""
    parents, peaks = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines = (entry / "status").read_text(encoding="utf-8").splitlines()
            except OSError:  # it has ended
                continue
            said = dict(line.split(":", 1) for line in lines if ":" in line)
            parents[int(entry.name)] = int(said["PPid"])
            if "VmHWM" in said:
                peaks[int(entry.name)] = int(said["VmHWM"].split()[0]) / 2**20
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return {process: peaks[process] for process in family if process in peaks}


def said(runs: list[Measured], images: int) -> bool:
    """Print the steps; whether time is linear and memory below `GIB`."""
    costs = []
    for one, other in itertools.pairwise(runs):
        costs.append((other.seconds - one.seconds) / (other.users - one.users))
        print(
            f"from {one.users} to {other.users} users: {1e3 * costs[-1]:.1f} ms of the processor "
            f"a user, {1e3 * costs[-1] / images:.2f} ms an image, {costs[-1] / costs[0]:.2f} times "
            "the first step"
        )
    highest = max(run.peaks[0] for run in runs)
    bent = costs[-1] / costs[0] if costs else 1.0
    print(f"target: {bent:.2f} of at most {BENT}, {highest:.2f} of at most {GIB:g} GiB: ", end="")
    met = bent <= BENT and highest < GIB
    print("met" if met else "MISSED")
    return met


def main() -> None:
    """Print a line a run, then the steps; exit status 1 on a missed target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[250, 500, 1000, 2000])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--profile", type=Path, help="folder for profiles")
    given = parser.parse_args()
    runs = []
    for users in sorted(given.users):
        profile = given.profile and given.profile / f"{users}.prof"
        runs.append(measured(users, given.images, profile))
        peaks = ", ".join(f"{peak:.2f}" for peak in runs[-1].peaks[:4])
        print(
            f"{users} users x {given.images} images: {runs[-1].seconds:.1f} CPU s, peak GiB of "
            f"each process {peaks}", flush=True,
        )  # fmt: skip
    raise SystemExit(0 if said(runs, given.images) else 1)


if __name__ == "__main__":
    main()
