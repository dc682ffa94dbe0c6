"""What a plan costs on 1, 8 and 64 devices: a formula, and a simulation of the same job by events.

    python benchmarks/scale_model.py [--draw SECONDS] [--fit SECONDS] [--devices 1 8 64]
    python benchmarks/scale_model.py --measured 250:45.6 500:70.1 1000:107.4 2000:156.8

A run is fits, shares of answers, one coordinator that enters every answer, and scoring. Everything
has a rate, in seconds of one processor or one device: the defaults were measured on CPUs by
`many_users.py` and `prior_training.py`; ``--draw`` and ``--fit`` are those of a device, which is a
parameter because no GPU was measured yet. The simulation keeps a clock: devices take the longest
fit that is left, then shares of 64 of what is fitted; the coordinator enters share after share as
they come, and scores a run when all of it is in. The formula adds the same up,

    time = start + max(fits / D, the longest fit) + max(images draw / D, images enter) + score

and the two must agree within `AGREES`. ``--measured`` fits start and cost a user to all runs but
the last, and says how far the last is from what they foretell.
"""

from __future__ import annotations

import argparse
import heapq
import math
from dataclasses import dataclass

import numpy as np

AGREES = 0.10
"""Accepted relative difference of simulation and formula, and of what a run took beyond what was
foretold; less is no bend of the line."""
SHARE = 64
"""Answers of a share: the default ``--batch-size``."""


@dataclass(frozen=True)
class Rates:
    """Seconds of one device or processor."""

    draw: float
    """An image, on a device."""
    fit: float
    """A fit, on a device."""
    start: float = 33.0
    """Imports, opening the stack, loading the data, boards; once."""
    enter: float = 0.0015
    """Taking an answer in: checks, journal, file; on the coordinator."""
    score: float = 0.0062
    """An image through every metric of the board; on the coordinator."""
    pair: float = 9.1e-8
    """A user's score of an image, of all the pairs that the taste gap compares."""


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    name: str
    users: int
    images: int
    methods: int

    @property
    def answers(self) -> int:
        """Images of one method."""
        return self.users * self.images


PLANS = (Plan("15,917 users x 25", 15_917, 25, 1), Plan("210 users x 25 x 8 methods", 210, 25, 8))
TABLE, HELD, FLOOR = 8.0 * 1.1, 20_000.0, 1.3 * 2**30
"""Bytes: a pair of users in the gap's table and what works beside it; what an image leaves in the
process that scores, at most (features of all roles, rows of tables); libraries and models."""


def scoring(plan: Plan, rates: Rates) -> float:
    """Seconds of scoring one run."""
    return plan.answers * (rates.score + rates.pair * plan.users)


def formula(plan: Plan, rates: Rates, devices: int) -> float:
    """Seconds to the end."""
    answers = plan.methods * plan.answers
    fits = max(plan.methods * rates.fit / devices, rates.fit)
    made = max(answers * rates.draw / devices, answers * rates.enter)
    return rates.start + fits + made + plan.methods * scoring(plan, rates)


def simulation(plan: Plan, rates: Rates, devices: int) -> float:
    """The same by events. Scoring stands behind everything, for the coordinator does both."""
    free = [(rates.start, k) for k in range(devices)]
    heapq.heapify(free)
    fitted = []
    for method in range(plan.methods):
        began, device = heapq.heappop(free)
        fitted.append((began + rates.fit, method))
        heapq.heappush(free, (began + rates.fit, device))
    waiting = sorted(fitted)
    n_shares = math.ceil(plan.answers / SHARE)
    done: list[tuple[float, int]] = []
    for ready, _ in waiting:
        for share in range(n_shares):
            size = min(SHARE, plan.answers - share * SHARE)
            began, device = heapq.heappop(free)
            ended = max(began, ready) + size * rates.draw
            heapq.heappush(free, (ended, device))
            done.append((ended, size))
    clock = rates.start
    for ended, size in sorted(done):
        clock = max(clock, ended) + size * rates.enter
    return clock + plan.methods * scoring(plan, rates)


def memory(plan: Plan) -> float:
    """GiB of the process that scores."""
    return (FLOOR + TABLE * plan.users**2 + HELD * plan.answers) / 2**30


def foretold(measured: dict[int, float]) -> tuple[float, float, float, float]:
    """Start, seconds a user, and of the largest run what they foretell and what it took."""
    sizes = sorted(measured)
    slope, start = np.polyfit(sizes[:-1], [measured[n] for n in sizes[:-1]], 1)
    return float(start), float(slope), float(start + slope * sizes[-1]), measured[sizes[-1]]


def clock(seconds: float) -> str:
    """``hours:minutes``, or seconds below an hour."""
    if seconds < 3600:
        return f"{seconds:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:02.0f} min"


def main() -> None:
    """Print the tables; exit status 1 where the two do not agree."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--draw", type=float, default=0.055, help="seconds an image")
    parser.add_argument("--fit", type=float, default=50.0, help="seconds a fit")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--images", type=int, default=8, help="of the measured runs")
    parser.add_argument("--measured", nargs="+", metavar="USERS:SECONDS", default=[])
    given = parser.parse_args()
    rates, met = Rates(given.draw, given.fit), True
    print(f"{rates}\n")
    for plan in PLANS:
        for devices in given.devices:
            both = (formula(plan, rates, devices), simulation(plan, rates, devices))
            apart = abs(both[0] / both[1] - 1)
            met &= apart <= AGREES
            print(
                f"{plan.name:28s} {devices:3d} devices: {clock(both[0]):>13s} by the formula, "
                f"{clock(both[1]):>13s} by events, {apart:.1%} off; {memory(plan):.1f} GiB to score"
            )
        alone = plan.methods * scoring(plan, rates)
        print(f"{'':28s} of it scoring, on one processor: {clock(alone)}")
    if given.measured:
        pairs = (one.split(":") for one in given.measured)
        start, slope, expected, took = foretold({int(n): float(s) for n, s in pairs})
        apart = took / expected - 1
        met &= apart <= AGREES
        print(
            f"measured: {start:.1f} s to start, {1e3 * slope:.1f} ms a user, "
            f"{1e3 * slope / given.images:.2f} ms an image; the largest: {expected:.1f} CPU s "
            f"foretold, {took:.1f} taken, {apart:+.1%}"
        )
    print(f"target: within {AGREES:.0%}: {'met' if met else 'MISSED'}")
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
