"""What people said of a run in a study (`human.json`), where a study was analysed into it.

Only numbers of participants stand there, never their codes. A run may be judged in several studies;
numbers of different studies are not compared.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, NonNegativeInt, StringConstraints, model_validator

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
Number = Annotated[str, StringConstraints(pattern="^[1-9][0-9]*$")]
"""Of a participant, from 1."""
_AGREES = 1e-9


class Judged(Config):
    """One number of a run from one study."""

    study: str = Field(min_length=1)
    """Id of the study."""
    metric: HumanMetric
    person: Literal["first", "third"]
    """Who judged: the people whom the pictures were made for, or others."""
    values: dict[Number, FiniteFloat] = Field(min_length=1)
    """Number of the participant => value."""
    mean: FiniteFloat
    low: FiniteFloat | None
    """Of the 95% interval over people; both ends or none."""
    high: FiniteFloat | None
    n_excluded: int = Field(ge=0)
    """People whose answers do not count."""
    excluded: dict[str, NonNegativeInt] = Field(default_factory=dict)
    """Reason => people; who has several counts for each."""

    @property
    def n(self) -> int:
        """People behind the number."""
        return len(self.values)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends or none")
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


def put_human(path: Path, run_id: str, study: str, judged: tuple[Judged, ...]) -> None:
    """Put the numbers of a study into the run in ``path``, in place of all that it had of it.

    None at all: what was there of the study goes, and with the last number the file.
    """
    known = read_human(path, run_id)
    kept = [one for one in (known.judged if known else ()) if one.study != study]
    whole = sorted([*kept, *judged], key=lambda one: (one.study, one.metric))
    if not whole:
        (path / DOCUMENT).unlink(missing_ok=True)
        return
    human = Human(run_id=run_id, judged=tuple(whole))
    write_atomic(path / DOCUMENT, documents.written(human))
