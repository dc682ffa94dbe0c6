"""What the parts of `device.py` share: what they are given, what they write down, a clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    part: str
    what: str
    value: float | None
    """None: it was left out."""
    unit: str = ""
    note: str = ""
    """With which settings; or why it was left out."""


@dataclass
class Part:
    """A running part: where it computes, how long it may, and what it has found.

    Everything is written to ``path`` as soon as it is known, so that a part that is ended keeps
    what it had.
    """

    name: str
    device: torch.device
    reduced: bool
    """Small sizes, which say nothing of a speed: to see that all of it runs."""
    seconds: float
    """How long it may run."""
    path: Path
    weights: Path
    """Folder of random weights, which another process writes."""
    figures: list[Figure] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that it still has."""
        return self.seconds - (time.monotonic() - self.began)

    def say(self, what: str, value: float, unit: str, note: str = "") -> None:
        """Write down a figure."""
        self._add(Figure(self.name, what, float(value), unit, note))

    def skip(self, what: str, why: str) -> None:
        """Write down that something was left out."""
        self._add(Figure(self.name, what, None, note=why))

    def require(self, what: str, difference: float, most: float) -> None:
        """Write down a difference; `ValueError` where it is larger than it may be."""
        self.say(what, difference, f"of at most {most:g}")
        if not difference <= most:
            raise ValueError(f"{what}: {difference:g}, of at most {most:g}")

    def _add(self, figure: Figure) -> None:
        self.figures.append(figure)
        told = json.dumps([asdict(each) for each in self.figures])
        self.path.write_text(told, encoding="utf-8")

    def sync(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds_of(self, work: Callable[[], object]) -> float:
        """Wall seconds of a piece of work, to its end on the device."""
        self.sync()
        began = time.perf_counter()
        work()
        self.sync()
        return time.perf_counter() - began

    def fresh_memory(self) -> None:
        """Forget the peak so far."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def say_memory(self, what: str) -> None:
        """The peak of the device's memory since `fresh_memory`; nothing on a CPU."""
        if self.device.type == "cuda":
            self.say(what, torch.cuda.max_memory_allocated() / 2**30, "GiB")
