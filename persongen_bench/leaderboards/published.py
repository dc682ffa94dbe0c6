"""Rows that papers print, kept apart from what this program measured."""

from __future__ import annotations

import json
from importlib import resources

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import DataError

CAVEAT = "reported in the paper; another world size, not comparable to the last digit"


class ReportedRow(Config):
    """One printed row: method as the paper calls it, metric name to the printed number."""

    method: str
    metrics: dict[str, float]


class ReportedTable(Config):
    """A table of a paper: where it is, the world it was measured in, its rows."""

    schema_version: int
    source: str
    world: str
    caption: str = ""
    rows: tuple[ReportedRow, ...]


def load_reported(file: str) -> ReportedTable:
    """Read ``reported/file`` of this package; a damaged one raises `DataError`."""
    source = resources.files("persongen_bench.leaderboards") / "reported" / file
    try:
        return ReportedTable.model_validate(json.loads(source.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"reported/{file}: no such table in this package") from None
    except (ValidationError, json.JSONDecodeError) as error:
        raise DataError(f"reported/{file}: {str(error).splitlines()[0]}") from None
