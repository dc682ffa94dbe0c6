"""Columns of large tables as values: what may stand in a cell, by the kind of its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float

from persongen_bench.datasets.image_files import check_inside
from persongen_bench.datasets.tables import Table

Kind: TypeAlias = Literal["id", "text", "label", "count", "share", "flag", "time", "rank", "path"]
"""What a cell holds:

- ``id``: 1 to 500 characters, or a whole number;
- ``text``: any text, also none; ``label``: the same, of few different values;
- ``count``: a whole number from 0;
- ``share``: a number from 0 to 1, or empty: unknown (NaN);
- ``flag``: 1, 0, true or false;
- ``time``: Unix seconds, an ISO date or a time, or empty: unknown (NaN);
- ``rank``: a whole number from 1, or empty: unknown (0);
- ``path``: of a file below the folder of the table, or empty.
"""
_FLAGS = {"1": True, "true": True, "0": False, "false": False, "1.0": True, "0.0": False}
LARGEST = 2**31 - 1
"""Of counts and ranks."""


@dataclass(frozen=True)
class Field:
    """A column that a relation may have."""

    kind: Kind
    meaning: str
    required: bool = False


def convert(table: Table, column: str, kind: Kind) -> pd.Series:
    """The cells of a column as values; `DataError` with file, row, what it is and should be."""
    values = _CONVERT[kind](table, column)
    return pd.Series(values, index=table.frame.index)


def _id(table: Table, column: str) -> pd.Series:
    cells = table.frame[column]
    if pd.api.types.is_float_dtype(cells):
        whole = np.zeros(len(cells), dtype=bool)
        whole[:1] = True
        table.reject(
            whole, f"{column} is {{{column}}}, a decimal number, expected text or a whole number",
            "A whole number became a decimal one: export ids as text.",
        )  # fmt: skip
    if not pd.api.types.is_string_dtype(cells):
        return cells.astype("str")
    return table.ids(column)


def _text(table: Table, column: str) -> pd.Series:
    cells = table.frame[column]
    return cells if pd.api.types.is_string_dtype(cells) else cells.astype("str")


def _path(table: Table, column: str) -> pd.Series:
    paths = _text(table, column)
    check_inside(
        Table(table.path, table.frame.assign(**{column: paths})), table.path.parent, column
    )
    return paths


def _label(table: Table, column: str) -> pd.Series:
    return _text(table, column).astype("category")


def _numbers(table: Table, column: str) -> Float[np.ndarray, " n"]:
    """Numbers, NaN for an empty cell."""
    cells = table.frame[column]
    if pd.api.types.is_string_dtype(cells):
        there = (cells != "").to_numpy(dtype=bool)
        values = np.full(len(cells), np.nan)
        if there.any():
            values[there] = Table(table.path, table.frame[there]).numbers(column)
        return values
    values = np.asarray(pd.to_numeric(cells).to_numpy(dtype=np.float64, na_value=np.nan))
    table.reject(
        np.isinf(values), f"{column} is {{{column}}}, expected a finite number", "Mend it."
    )
    return values


def _whole(table: Table, column: str, least: int) -> Float[np.ndarray, " n"]:
    values = _numbers(table, column)
    with np.errstate(invalid="ignore"):
        wrong = (values < least) | (values > LARGEST) | (values != np.floor(values))
    wrong &= ~np.isnan(values)
    what = f"{column} is {{{column}}}, expected a whole number from {least}"
    table.reject(wrong, what, "Correct it.")
    return values


def _count(table: Table, column: str) -> np.ndarray:
    values = _whole(table, column, 0)
    table.reject(np.isnan(values), f"empty {column}, expected a whole number", "Write 0 for none.")
    return values.astype(np.int32)


def _rank(table: Table, column: str) -> np.ndarray:
    return np.asarray(np.nan_to_num(_whole(table, column, 1)).astype(np.int32))


def _share(table: Table, column: str) -> np.ndarray:
    values = _numbers(table, column)
    with np.errstate(invalid="ignore"):
        wrong = (values < 0) | (values > 1)
    what = f"{column} is {{{column}}}, expected a probability from 0 to 1"
    table.reject(wrong, what, "Divide percentages by 100.")
    return values.astype(np.float32)


def _flag(table: Table, column: str) -> np.ndarray:
    cells = table.frame[column]
    if pd.api.types.is_bool_dtype(cells):
        return cells.to_numpy(dtype=bool)
    values = cells.astype("str").str.casefold().map(_FLAGS)
    wrong = values.isna().to_numpy(dtype=bool)
    table.reject(wrong, f"{column} is {{{column}}}, expected 1, 0, true or false", "Correct it.")
    return values.to_numpy(dtype=bool)


def _time(table: Table, column: str) -> np.ndarray:
    cells = table.frame[column]
    if pd.api.types.is_datetime64_any_dtype(cells):
        aware = cells.dt.tz_localize("UTC") if cells.dt.tz is None else cells.dt.tz_convert("UTC")
        seconds = (aware - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        return np.asarray(seconds.to_numpy(dtype=np.float64))
    if pd.api.types.is_string_dtype(cells):
        return table.times(column)
    text = cells.astype("str").where(cells.notna(), "").astype("str")
    return Table(table.path, table.frame.assign(**{column: text})).times(column)


_CONVERT: Mapping[Kind, Callable[[Table, str], pd.Series | np.ndarray]] = {
    "id": _id, "text": _text, "label": _label, "count": _count, "share": _share, "flag": _flag,
    "time": _time, "rank": _rank, "path": _path,
}  # fmt: skip
