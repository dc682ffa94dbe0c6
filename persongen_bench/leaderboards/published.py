"""Rows that papers print, kept apart from what this program measured."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources.abc import Traversable
from typing import Self

from pydantic import Field, FiniteFloat, PositiveFloat, ValidationError, model_validator

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError
from persongen_bench.leaderboards.board import Board, folder_of

CAVEAT = "reported in the paper; another world size, not comparable to the last digit"


class ReportedRow(Config):
    """One printed row: method as the paper calls it, metric name to the printed number."""

    method: str
    metrics: dict[str, FiniteFloat]


class ReportedTable(Config):
    """A table of a paper: where it is, the world it was measured in, its rows."""

    schema_version: int
    title: str
    """How a short text names it, such as ``REBECA, Table 1``."""
    source: str
    """The full reference."""
    world: str
    """What the numbers were measured on."""
    caveat: str = CAVEAT
    caption: str = ""
    scale: PositiveFloat = 1.0
    """Printed number times this = the metric's own unit: 0.01 for a table that prints percent."""
    scales: dict[str, PositiveFloat] = Field(default_factory=dict)
    """The same for single metrics whose unit is another one."""
    differs: dict[str, str] = Field(default_factory=dict)
    """Metrics whose printed numbers cannot stand beside ours, and why: another encoder, say."""
    also: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Metric => others that its numbers stand for as well: where a paper does not say which of
    them it printed."""
    doubts: tuple[str, ...] = ()
    """What is uncertain about the numbers as they are in the text."""
    rows: tuple[ReportedRow, ...]

    @model_validator(mode="after")
    def _speaks_of_what_it_has(self) -> Self:
        for field, named in (
            ("scales", self.scales), ("differs", self.differs), ("also", self.also),
        ):  # fmt: skip
            missing = sorted(set(named).difference(*(row.metrics for row in self.rows)))
            if missing:
                raise ValueError(f"{field}: no row has {', '.join(missing)}")
        return self

    @property
    def about(self) -> str:
        """Where it comes from and how far it can be believed, in one sentence without a stop."""
        reasons: dict[str, list[str]] = {}
        for metric, why in self.differs.items():
            reasons.setdefault(why, []).append(metric)
        told = [f"not comparable in {', '.join(names)}: {why}" for why, names in reasons.items()]
        return "; ".join([f"{self.source}; {self.caveat} ({self.world})", *told, *self.doubts])

    def decimals(self, metric: str) -> int:
        """Most digits behind the point that a printed number of the metric has."""
        printed = (repr(row.metrics[metric]) for row in self.rows if metric in row.metrics)
        return max(len(text.partition(".")[2].removesuffix("0")) for text in printed)

    def row(self, method: str) -> ReportedRow | None:
        """The row of a method by the paper's name."""
        return next((row for row in self.rows if row.method == method), None)

    def in_units(self) -> ReportedTable:
        """The same table with every number in its metrics' own units; its scale is 1."""
        rows = tuple(row.model_copy(update={"metrics": self._metrics(row)}) for row in self.rows)
        differs = {name: why for m, why in self.differs.items() for name in self._names(m)}
        plain = {"scale": 1.0, "scales": {}, "also": {}, "differs": differs}
        return self.model_copy(update={"rows": rows, **plain})

    def _metrics(self, row: ReportedRow) -> dict[str, float]:
        """In units, under every name that the numbers stand for."""
        given = row.metrics.items()
        return {name: self._own(m, printed) for m, printed in given for name in self._names(m)}

    def _names(self, metric: str) -> tuple[str, ...]:
        return (metric, *self.also.get(metric, ()))

    def _own(self, metric: str, printed: float) -> float:
        """Exact in decimals: what is printed as 21.4 percent is 0.214."""
        scale = self.scales.get(metric, self.scale)
        return float(Decimal(repr(printed)) * Decimal(repr(scale)))


def reported_tables(board: Board) -> tuple[ReportedTable, ...]:
    """The tables that a board shows beside its own rows, in its order and in the metrics' units.

    Raises:
        DataError: if a file is not there or not such a table.
    """
    return tuple(read_table(folder_of(board) / file).in_units() for file in board.reported)


def read_table(file: Traversable) -> ReportedTable:
    """The table of a file, as printed; `DataError` where the file is not there or not one."""
    try:
        return ReportedTable.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except OSError:
        raise DataError(f"{file}: no such table", fix="The board's file names it.") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{file}: field {field!r}" if field else str(file)
        raise DataError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:  # not JSON, not UTF-8
        raise DataError(f"{file}: not valid JSON: {error}") from None
