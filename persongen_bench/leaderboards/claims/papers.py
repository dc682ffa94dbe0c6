"""The claims of a paper: a TOML file each, with what stands for the paper's names here.

A claim is "A beats B by a metric on a data set". Its printed numbers are not in that file: they are
read from the tables that boards show too (`reading`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from persongen_bench.core.config import Config

Better = Literal["higher", "lower"]
Says = Literal["higher", "lower", "equal"]


class StandIn(Config):
    """A data set of the paper and the board whose runs stand in for it."""

    board: str = ""
    """Name in the registry; empty: none does."""
    about: str = ""
    """Why another data set stands in, and what differs."""
    missing: str = ""
    """Why no board does."""
    tables: tuple[str, ...] = ()
    """The printed tables with numbers on this data set: files of the boards' ``reported``."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _one_of(self, "board", "missing")
        return self


class MethodName(Config):
    """A method as the paper calls it, and what it is here."""

    method: str = ""
    """Name in the registry; it need not be there: then the claim cannot be run."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What is set besides the presets that the board prefers."""
    of: str = ""
    """Of ``wrong-user``: the method that it asks for somebody else's pictures."""
    best_of: tuple[str, ...] = ()
    """Other names of the paper: whichever of them has the best mean."""
    missing: str = ""
    """Why there is none."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        _one_of(self, "method", "best_of", "missing")
        return self


class MetricName(Config):
    """A metric as the paper calls it, and what it is here."""

    ours: str = ""
    """Printed name, such as ``cis@history``."""
    better: Better = "higher"
    """Which way is better."""
    family: str = ""
    """What it measures; one metric of a family stands for it by default."""
    default: bool = False
    """Whether its claims are in the default subset."""
    missing: str = ""
    """Why there is none."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _one_of(self, "ours", "missing")
        return self


class ClaimGroup(Config):
    """Claims of one sentence or table: each A against each B by each metric."""

    where: str
    """Section, table or figure."""
    data: str
    a: tuple[str, ...] = Field(min_length=1)
    b: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    says: Says | None = None
    """That A is higher, lower or equal; None: better."""
    printed: str = ""
    """What is printed where no table has it."""
    holds: bool | None = None
    """Whether ``printed`` agrees with the claim; None: it has no numbers."""
    note: str = ""
    default: bool = True
    """Whether its claims may be in the default subset."""


class Claim(Config):
    """One claim with its printed numbers."""

    name: str
    """``001-023``: the paper and the place in its file."""
    paper: str
    where: str
    data: str
    a: str
    b: str
    metric: str
    says: Says
    printed: str
    """``0.524 vs 0.455``; empty where a figure is all there is."""
    holds: bool | None
    """Whether the paper's own numbers agree; None: there are none."""
    note: str
    default: bool

    @property
    def sentence(self) -> str:
        """``A > B in metric`` as the paper has it."""
        sign = {"higher": ">", "lower": "<", "equal": "="}[self.says]
        return f"{self.a} {sign} {self.b} in {self.metric}"


EQUAL = 0.02
"""Two numbers are called equal within this share of the second."""


class Paper(Config):
    """A paper: what it claims, and what its names are here."""

    name: str
    """``001``; a file's name without its ending."""
    title: str
    short: str
    notes: tuple[str, ...] = ()
    """Scales, doubts about the text, where the paper's own tables contradict it."""
    data: dict[str, StandIn]
    methods: dict[str, MethodName]
    metrics: dict[str, MetricName]
    claims: tuple[ClaimGroup, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _knows_its_names(self) -> Self:
        rivals = [name for method in self.methods.values() for name in method.best_of]
        _known("methods", rivals, self.methods)
        for group in self.claims:
            _known("data", [group.data], self.data)
            _known("methods", [*group.a, *group.b], self.methods)
            _known("metrics", group.metrics, self.metrics)
        return self


def _one_of(model: Config, *fields: str) -> None:
    said = [name for name in fields if vars(model)[name]]
    if len(said) != 1:
        raise ValueError(f"say one of {', '.join(fields)}, not {' and '.join(said) or 'none'}")


def _known(kind: str, names: Sequence[str], known: Mapping[str, object]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{kind} has no {missing[0]!r}, which a claim names")
