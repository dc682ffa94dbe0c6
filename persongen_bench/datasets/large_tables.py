"""Tables of millions of rows: CSV and Parquet files read in batches, the named columns only.

What `persongen_bench.datasets.tables` refuses is refused here too, with the same words; but a
file is never held whole. Cells of a CSV are text without surrounding blanks; those of a Parquet
file keep their type where it is a number, a truth value or a time.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.datasets import table_files
from persongen_bench.datasets.tables import Table

BATCH = 200_000
"""Rows that are held as text at a time."""
LONGEST_TEXT = 100_000
"""Characters of a cell."""
LIST_MARK = "|"
"""Stands between the values of a cell that a Parquet file holds as a list."""
_BLOCK = 1 << 20


def find_tables(root: Path, stem: str) -> list[Path]:
    """``stem.csv`` or ``stem.parquet``, else the shards ``stem-*.csv`` or ``stem-*.parquet``.

    Empty where there is none; `DataError` where shards are of both kinds, or beside a whole table.
    """
    whole = table_files.find_table(root, stem)
    shards = {suffix: sorted(root.glob(f"{stem}-*{suffix}")) for suffix in table_files.SUFFIXES}
    kinds = [paths for paths in ([whole] if whole else [], *shards.values()) if paths]
    if len(kinds) > 1:
        raise DataError(
            f"{root}: both {kinds[0][0].name} and {kinds[1][0].name} are there",
            fix="Keep one table, or the shards of one kind.",
        )
    return list(kinds[0]) if kinds else []


def columns_of(path: Path) -> list[str]:
    """The names of the columns; `DataError` for a file that is no table, or a name used twice."""
    names = _parquet(path).schema_arrow.names if _is_parquet(path) else _csv_header(path)
    twice = [name for name in names if names.count(name) > 1 and name]
    if twice:
        raise DataError(f"{path} row 1: column {twice[0][:80]!r} occurs twice", fix="Rename one.")
    return [str(name) for name in names]


def batches(path: Path, columns: Sequence[str]) -> Iterator[Table]:
    """The ``columns`` of a table whose header has them; the frame's index is the row of the file.

    Raises `DataError` with file and row for a malformed file, and for one without rows.
    """
    n_rows = 0
    read = _parquet_batches if _is_parquet(path) else _csv_batches
    for frame in read(path, list(columns)):
        n_rows += len(frame)
        table = Table(path, frame)
        _check_lengths(table)
        yield table
    if not n_rows:
        raise DataError(f"{path}: no rows below the header", fix="Add rows.")


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def _check_lengths(table: Table) -> None:
    for name in table.frame.columns:
        cells = table.frame[name]
        if pd.api.types.is_string_dtype(cells):
            long = (cells.str.len() > LONGEST_TEXT).to_numpy(dtype=bool)
            what = f"the cell of column {name!r} has more than {LONGEST_TEXT:,} characters"
            table.reject(long, what, "Shorten it, or close the quotes opened before it.")


def _csv_header(path: Path) -> list[str]:
    _check_bytes(path)
    try:
        cells = pd.read_csv(path, header=None, nrows=1, dtype="str", keep_default_na=False,
                            skip_blank_lines=False, skipinitialspace=True,
                            encoding="utf-8-sig")  # fmt: skip
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty", fix="Add a header and rows.") from None
    except pd.errors.ParserError as error:
        raise table_files.not_csv(path, error) from None
    return [str(cell).strip() for cell in cells.iloc[0]]


def _csv_batches(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    names = _csv_header(path)
    places = [names.index(column) for column in columns]
    try:
        with pd.read_csv(
            path, header=None, dtype="str", keep_default_na=False, skip_blank_lines=False,
            skipinitialspace=True, encoding="utf-8-sig", chunksize=BATCH,
        ) as chunks:  # fmt: skip
            for chunk in chunks:
                rows = chunk.iloc[1:] if chunk.index[0] == 0 else chunk
                rows = rows.set_axis(rows.index + 1, axis=0).fillna("")
                rows = rows[(rows != "").any(axis=1)]
                rows = rows[places].set_axis(columns, axis=1)
                yield rows.apply(lambda cells: cells.str.strip())
    except pd.errors.ParserError as error:
        raise table_files.not_csv(path, error) from None


def _check_bytes(path: Path) -> None:
    """Raise `DataError` for what is no CSV in UTF-8, without holding the file."""
    decoder, row = codecs.getincrementaldecoder("utf-8")(), 1
    with open_regular(path, "table") as stream:
        head = stream.read(_BLOCK)
        for start, (kind, fix) in table_files.SIGNATURES.items():
            if head.lstrip().startswith(start):
                raise DataError(f"{path}: is {kind}, expected CSV", fix=fix)
        block = head
        while block:
            if b"\0" in block:
                row += block.count(b"\n", 0, block.index(b"\0"))
                raise DataError(f"{path} row {row}: holds a NUL", fix="Save it as CSV in UTF-8.")
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                row += block.count(b"\n", 0, max(0, error.start))
                raise DataError(
                    f"{path} row {row}: byte 0x{error.object[error.start]:02x} is not UTF-8",
                    fix="Save the file as UTF-8.",
                ) from None
            row += block.count(b"\n")
            block = stream.read(_BLOCK)
    table_files.check_header(path, head.decode("utf-8-sig", errors="replace"))


def _parquet(path: Path) -> pq.ParquetFile:
    with open_regular(path, "table"):
        pass
    try:
        return pq.ParquetFile(path)
    except (OSError, ValueError, TypeError) as error:
        raise _not_parquet(path, error) from None


def _parquet_batches(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    first = 2
    file = _parquet(path)
    try:
        table_files.refuse_a_bomb(path, columns)
        for batch in file.iter_batches(batch_size=BATCH, columns=columns):
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            cells = {name: _cells(path, name, table[name]) for name in columns}
            yield pd.DataFrame(cells).set_axis(pd.RangeIndex(first, first + len(table)), axis=0)
            first += len(table)
    except table_files.UNREADABLE as error:
        raise _not_parquet(path, error) from None
    finally:
        file.close()


def _cells(path: Path, name: str, column: pa.ChunkedArray) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        values = [LIST_MARK.join(map(str, cell)) if cell else "" for cell in column.to_pylist()]
        return pd.Series(values, dtype="str")
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(
            f"{path}: column {name[:80]!r} holds {str(kind)[:80]}, expected one value per cell",
            fix="Unnest or remove the column.",
        )
    series: pd.Series = column.to_pandas()
    if pd.api.types.is_numeric_dtype(series) or pd.api.types.is_datetime64_any_dtype(series):
        return series
    text: pd.Series = series.astype("str").where(series.notna(), "").astype("str").str.strip()
    return text


def _not_parquet(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(
        f"{path}: not a readable Parquet file ({reason})",
        fix="Correct it and export it again, with text in UTF-8.",
    )
