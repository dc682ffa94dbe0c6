"""Tables that users give us: CSV and Parquet files, read as text and checked cell by cell.

Every complaint is one line that names the file, the row as an editor or spreadsheet counts it
(the header is row 1), what was found, what was expected and how to put it right.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from persongen_bench.core.errors import DataError

SUFFIXES = (".csv", ".parquet")
LATEST = 1e11
"""Unix seconds (year 5138) beyond which a number must be meant in milliseconds, or is infinite."""


@dataclass(frozen=True)
class Table:
    """Text cells of a file; the frame's index holds the row numbers of the file."""

    path: Path
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def require(self, columns: Sequence[str]) -> None:
        """Raise `DataError` where one of ``columns`` is missing."""
        missing = [name for name in columns if name not in self.frame.columns]
        if missing:
            raise DataError(
                f"{self.path} row 1: no column {missing[0]!r}, "
                f"found {', '.join(map(repr, self.frame.columns))}",
                fix=f"Expected the columns {', '.join(columns)}.",
            )

    def reject(self, bad: Bool[np.ndarray, " n"], what: str, fix: str) -> None:
        """Raise `DataError` for the first row of the mask ``bad``, if there is one.

        ``what`` may name cells of that row as ``{column}``.
        """
        if not bad.any():
            return
        row = int(self.frame.index[int(np.argmax(bad))])
        cells = {str(name): repr(value) for name, value in self.frame.loc[row].items()}
        what = re.sub(r"\{(\w+)\}", lambda cell: cells.get(cell[1], cell[0]), what)
        more = f" ({int(bad.sum())} such rows)" if bad.sum() > 1 else ""
        raise DataError(f"{self.path} row {row}: {what}{more}", fix=fix)

    def ids(self, column: str) -> pd.Series:
        """Identifiers; an empty one raises `DataError`."""
        values = self.frame[column]
        empty = (values == "").to_numpy()
        self.reject(empty, f"empty {column}", f"Give every row a {column}.")
        return values

    def numbers(self, column: str) -> Float[np.ndarray, " n"]:
        """Finite numbers; text, an empty cell, NaN or an infinity raises `DataError`."""
        values = pd.to_numeric(self.frame[column], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~np.isfinite(values)
        self.reject(wrong, f"{column} is {{{column}}}, expected a finite number", "Correct it.")
        return values

    def times(self, column: str) -> Float[np.ndarray, " n"]:
        """Unix seconds (UTC) of Unix seconds or ISO 8601 text; an empty cell gives NaN."""
        text = self.frame[column]
        seconds = np.array(pd.to_numeric(text, errors="coerce"), dtype=np.float64)
        todo = np.isnan(seconds) & (text != "").to_numpy()
        if todo.any():
            seconds[todo] = _iso_seconds(text[todo])
        wrong = (todo & np.isnan(seconds)) | (np.abs(seconds) > LATEST)
        expected = "expected Unix seconds or an ISO date such as 2024-05-31T12:00:00Z"
        self.reject(wrong, f"{column} is {{{column}}}, {expected}", "Correct it or leave it empty.")
        return seconds

    def unique(self, columns: Sequence[str]) -> None:
        """Raise `DataError` where two rows agree in all ``columns``; names both rows."""
        repeated = self.frame.duplicated(list(columns)).to_numpy()
        if not repeated.any():
            return
        again = self.frame.iloc[int(np.argmax(repeated))]
        same = (self.frame[list(columns)] == again[list(columns)]).all(axis=1)
        first = int(self.frame.index[int(np.argmax(same))])
        said = ", ".join(f"{name} {{{name}}}" for name in columns)
        self.reject(repeated, f"{said} is already in row {first}", "Keep one of the rows.")


def find_table(root: Path, stem: str) -> Path | None:
    """``root/stem.csv`` or ``root/stem.parquet``; None where neither exists, an error if both."""
    paths = [root / (stem + suffix) for suffix in SUFFIXES if (root / (stem + suffix)).is_file()]
    if len(paths) > 1:
        raise DataError(
            f"{root}: both {paths[0].name} and {paths[1].name} are there", fix="Keep one of them."
        )
    return paths[0] if paths else None


def read_table(path: Path) -> Table:
    """Read a CSV (UTF-8) or Parquet file; cells are text without surrounding blanks.

    Wholly blank lines are skipped and still counted. Raises `DataError` for a missing or malformed
    file, a file without rows, other encodings than UTF-8, and a column name that occurs twice.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    frame = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    columns = frame.columns[frame.columns.duplicated()]
    if len(columns):
        raise DataError(f"{path} row 1: column {columns[0]!r} occurs twice", fix="Rename one.")
    frame = frame.apply(lambda cells: cells.str.strip())
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise DataError(f"{path}: no rows below the header", fix="Add rows.")
    return Table(path, frame)


def _csv(path: Path) -> pd.DataFrame:
    text = io.StringIO(_utf8(path))
    try:
        cells = pd.read_csv(
            text,
            header=None,
            dtype="str",
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty", fix="Add a header and rows.") from None
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path}: not a valid CSV ({reason})", fix="Quote cells with commas."
        ) from None
    cells = cells.fillna("")
    frame = cells.iloc[1:].set_axis(cells.iloc[0].str.strip().tolist(), axis=1)
    return frame.set_axis(pd.RangeIndex(2, len(cells) + 1), axis=0)


def _utf8(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} row {row}: byte 0x{data[error.start]:02x} is not UTF-8",
            fix="Save the file as UTF-8.",
        ) from None


def _parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        _not_parquet(path, error)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    text = {
        str(name): cells.astype("str").where(cells.notna(), "") for name, cells in frame.items()
    }
    rows = pd.RangeIndex(2, len(frame) + 2)
    return pd.DataFrame(text, dtype="str").set_axis(rows, axis=0)


def _not_parquet(path: Path, error: Exception) -> NoReturn:
    raise DataError(f"{path}: not a readable Parquet file ({error})", fix="Export it again.")


def _iso_seconds(text: pd.Series) -> Float[np.ndarray, " n"]:
    times = pd.to_datetime(text, errors="coerce", utc=True, format="ISO8601")
    seconds = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return seconds.to_numpy(dtype=np.float64)
