"""What a control is: a world whose answer is known, run through the benchmark's own code.

A control fails when the benchmark gives another answer than the world has. `pgbench selftest`
runs them all; each lives in one file named after its number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class ControlOptions:
    """How to run a control."""

    seed: int = 0
    """Seed of every random draw; the same seed gives the same result on every machine."""
    quick: bool = False
    """Fewer simulated worlds: seconds instead of minutes, with correspondingly wider margins."""


@dataclass(frozen=True)
class ControlResult:
    """What a control expected and what it measured."""

    control: str
    """Number of the control, such as ``C2``."""
    title: str
    passed: bool
    measured: str
    """What was measured, with units, in one line."""
    expected: str
    """What had to be measured for the control to pass, in one line."""


Control: TypeAlias = Callable[[ControlOptions], ControlResult]
