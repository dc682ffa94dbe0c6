"""Tables that users give us: CSV and Parquet files, read as text and checked cell by cell.

Every complaint is one line that names the file, the row as an editor or spreadsheet counts it
(the header is row 1), what was found, what was expected and how to put it right; where the cause
can be guessed from the cell, it is named (`persongen_bench.datasets.causes`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError
from persongen_bench.datasets import causes
from persongen_bench.datasets.table_files import find_table, read_csv, read_parquet

__all__ = ["LATEST", "Table", "find_table", "read_table"]

LATEST = 1e11
"""Unix seconds (year 5138) beyond which a number must be meant in milliseconds, or is infinite."""
LARGEST = 1e15
"""A number beyond is no rating, count or index, and means of such numbers overflow."""
LONGEST_CELL = 10_000
"""Characters of a cell; a longer one is no label, and would be carried through every table."""
LONGEST_ID = 500
"""Characters of an id."""
LONGEST_NUMBER = 100
"""Characters of a number or a time; what is longer is neither."""
_SHOWN_CELL, _SHOWN_COLUMNS = 80, 20


@dataclass(frozen=True)
class Table:
    """Text cells of a file; the frame's index holds the row numbers of the file."""

    path: Path
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def require(
        self, columns: Sequence[str], optional: Sequence[str] = (), fix: str | None = None
    ) -> None:
        """Raise `DataError` where one of ``columns`` is missing, or its name is written otherwise.

        The latter also for the columns that are ``optional``: they would else be passed over.
        ``fix``: what to do about a missing one.
        """
        present = [str(name) for name in self.frame.columns]
        for name in [*columns, *optional]:
            meant = None if name in present else causes.column_meant(name, present)
            if meant is not None:
                raise DataError(
                    f"{self.path} row 1: no column {name!r}, but {meant!r}",
                    fix=f"Rename it to {name}.",
                )
        missing = [name for name in columns if name not in present]
        if missing:
            names = ", ".join(map(_shown, present[:_SHOWN_COLUMNS]))
            more = f" and {len(present) - _SHOWN_COLUMNS} more" * (len(present) > _SHOWN_COLUMNS)
            raise DataError(
                f"{self.path} row 1: no column {missing[0]!r}, found {names}{more}",
                fix=causes.absent_column(missing[0], present)
                or fix
                or f"Expected the columns {', '.join(columns)}.",
            )

    def reject(self, bad: Bool[np.ndarray, " n"], what: str, fix: str) -> None:
        """Raise `DataError` for the first row of the mask ``bad``, if there is one.

        ``what`` may name cells of that row as ``{column}``.
        """
        if not bad.any():
            return
        first = int(np.argmax(bad))
        row = int(self.frame.index[first])
        named = [name for name in re.findall(r"\{(\w+)\}", what) if name in self.frame.columns]
        cells = {name: _shown(self.frame[name].iloc[first]) for name in named}
        what = re.sub(r"\{(\w+)\}", lambda cell: cells.get(cell[1], cell[0]), what)
        more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
        raise DataError(f"{self.path} row {row}: {what}{more}", fix=fix)

    def ids(self, column: str) -> pd.Series:
        """Identifiers; an empty one, or one of more than 500 characters, raises `DataError`."""
        values = self.frame[column]
        empty = (values == "").to_numpy()
        self.reject(empty, f"empty {column}", f"Give every row a {column}.")
        long = (values.str.len() > LONGEST_ID).to_numpy(dtype=bool)
        what = f"{column} {{{column}}} has more than {LONGEST_ID} characters"
        self.reject(long, what, "Use a shorter one.")
        return values

    def numbers(self, column: str) -> Float[np.ndarray, " n"]:
        """Numbers up to 1e15; text, an empty cell, NaN or an infinity raises `DataError`."""
        values = _floats(self.frame[column])
        wrong = ~np.isfinite(values)
        fix = causes.not_a_number(self._first(column, wrong)) or "Correct it."
        self.reject(wrong, f"{column} is {{{column}}}, expected a finite number", fix)
        huge = np.abs(values) > LARGEST
        self.reject(
            huge, f"{column} is {{{column}}}, expected one up to {LARGEST:g}", "Correct it."
        )
        return values

    def times(self, column: str) -> Float[np.ndarray, " n"]:
        """Unix seconds (UTC) of Unix seconds or ISO 8601 text; an empty cell gives NaN.

        Columns of numbers that are no seconds (a spreadsheet's day numbers, dates without dashes,
        years) are refused.
        """
        text = self.frame[column]
        seconds = _floats(text)
        numeric = np.isfinite(seconds)
        other = causes.not_seconds(seconds[numeric])
        self.reject(numeric & (other is not None), f"{column} is {{{column}}}", other or "")
        todo = np.isnan(seconds) & (text != "").to_numpy()
        if todo.any():
            seconds[todo] = _iso_seconds(text[todo])
        wrong = (todo & np.isnan(seconds)) | (np.abs(seconds) > LATEST)
        expected = "expected Unix seconds or an ISO date such as 2024-05-31T12:00:00Z"
        fix = causes.not_a_time(self._first(column, wrong)) or "Correct it or leave it empty."
        self.reject(wrong, f"{column} is {{{column}}}, {expected}", fix)
        return seconds

    def unique(self, columns: Sequence[str], fix: str = "Keep one of the rows.") -> None:
        """Raise `DataError` where two rows agree in all ``columns``; names both rows."""
        repeated = self.frame.duplicated(list(columns)).to_numpy()
        if not repeated.any():
            return
        again = self.frame.iloc[int(np.argmax(repeated))]
        same = (self.frame[list(columns)] == again[list(columns)]).all(axis=1)
        first = int(self.frame.index[int(np.argmax(same))])
        said = ", ".join(f"{name} {{{name}}}" for name in columns)
        self.reject(repeated, f"{said} is already in row {first}", fix)

    def _first(self, column: str, bad: Bool[np.ndarray, " n"]) -> str:
        """The first cell of the mask; empty where there is none."""
        return str(self.frame[column].iloc[int(np.argmax(bad))]) if bad.any() else ""


def read_table(path: Path) -> Table:
    """Read a CSV (UTF-8) or Parquet file; cells are text without surrounding blanks.

    Wholly blank lines are skipped and still counted. Raises `DataError` for a missing or malformed
    file, a file without rows, other encodings than UTF-8, a column name that occurs twice, more
    than 1,000 columns and a cell of more than 10,000 characters.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    frame = read_parquet(path) if path.suffix == ".parquet" else read_csv(path)
    columns = frame.columns[frame.columns.duplicated()]
    if len(columns):
        raise DataError(
            f"{path} row 1: column {_shown(columns[0])} occurs twice", fix="Rename one."
        )
    frame = frame.apply(lambda cells: cells.str.strip())
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise DataError(f"{path}: no rows below the header", fix="Add rows.")
    table = Table(path, frame)
    for column in frame.columns:
        long = (frame[column].str.len() > LONGEST_CELL).to_numpy(dtype=bool)
        what = f"the cell of column {_shown(column)} has more than {LONGEST_CELL:,} characters"
        table.reject(long, what, "Shorten it, or close the quotes that were opened before it.")
    return table


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _SHOWN_CELL else text[: _SHOWN_CELL - 3] + "...")


def _floats(text: pd.Series) -> Float[np.ndarray, " n"]:
    short = text.where(text.str.len() <= LONGEST_NUMBER, "too long")
    return np.array(pd.to_numeric(short, errors="coerce"), dtype=np.float64)


def _iso_seconds(text: pd.Series) -> Float[np.ndarray, " n"]:
    short = text.where(text.str.len() <= LONGEST_NUMBER, "too long")
    known = short.str.match(causes.YEARS)
    times = pd.to_datetime(short.where(known, ""), errors="coerce", utc=True, format="ISO8601")
    seconds = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return seconds.to_numpy(dtype=np.float64)
