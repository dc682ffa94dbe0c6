"""What people said of a run in a study (`human.json`), where a study was analysed into it.

Only numbers of participants stand there, never their codes. A run may be judged in several studies;
numbers of different studies are not compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from persongen_bench.core.config import Config
from persongen_bench.core.errors import RunError
from persongen_bench.loop import documents
from persongen_bench.loop.documents import SCHEMA_VERSION
from persongen_bench.util.files import write_atomic

DOCUMENT = "human.json"
HumanMetric = Literal[
    "human-win-rate", "human-average-rank", "human-win-rate.alignment",
    "human-average-rank.alignment",
]  # fmt: skip
_AGREES = 1e-9


class Judged(Config):
    """One number of a run from one study."""

    study: str = Field(min_length=1)
    """Id of the study."""
    metric: HumanMetric
    person: Literal["first", "third"]
    """Who judged: the people whom the pictures were made for, or others."""
    values: dict[str, float]
    """Number of the participant => value."""
    mean: float
    low: float | None
    """Of the 95% interval over people."""
    high: float | None
    n_excluded: int = Field(ge=0)
    """People whose answers do not count."""
    excluded: dict[str, int] = Field(default_factory=dict)
    """Reason => people; who has several counts for each."""

    @property
    def n(self) -> int:
        """People behind the number."""
        return len(self.values)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.values or not all(name.isdecimal() for name in self.values):
            raise ValueError("expected values by the numbers of participants")
        low, high = bounds(self.metric)
        ends = [end for end in (self.low, self.high) if end is not None]
        if any(not low <= value <= high for value in (*self.values.values(), *ends)):
            raise ValueError(f"a value of {self.metric} lies outside [{low:g}, {high:g}]")
        mean = sum(self.values.values()) / len(self.values)
        if abs(mean - self.mean) > _AGREES * max(1.0, abs(mean)):
            raise ValueError(f"the mean is {self.mean!r}, the values give {mean!r}")
        if len(ends) == 2 and not ends[0] - _AGREES <= mean <= ends[1] + _AGREES:
            raise ValueError("the mean lies outside its interval")
        return self


class Human(Config):
    """Everything that people said of a run."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    judged: tuple[Judged, ...]

    @model_validator(mode="after")
    def _once(self) -> Self:
        keys = [(one.study, one.metric) for one in self.judged]
        if len(set(keys)) < len(keys):
            raise ValueError("a number of a study stands there twice")
        return self


def bounds(metric: HumanMetric) -> tuple[float, float]:
    """Smallest and largest possible value."""
    return (0.0, 1.0) if metric.startswith("human-win-rate") else (1.0, math.inf)


def read_human(path: Path, run_id: str) -> Human | None:
    """What people said of the run in ``path``; None: no study was analysed into it.

    Raises `RunError` for a damaged file and for that of another run.
    """
    file = path / DOCUMENT
    if not file.exists():
        return None
    human = documents.read(Human, file)
    if human.run_id != run_id:
        raise RunError(
            f"{file}: it is of run {human.run_id}, not of {run_id}",
            fix="Remove it, and `pgbench study analyze --into-runs` again.",
        )
    return human


def add_human(path: Path, run_id: str, judged: tuple[Judged, ...]) -> None:
    """Add numbers to the run in ``path``; those of the same study and metric are replaced."""
    known = read_human(path, run_id)
    new = {(one.study, one.metric) for one in judged}
    kept = [one for one in (known.judged if known else ()) if (one.study, one.metric) not in new]
    whole = sorted([*kept, *judged], key=lambda one: (one.study, one.metric))
    human = Human(run_id=run_id, judged=tuple(whole))
    write_atomic(path / DOCUMENT, documents.written(human))
