"""CSV and Parquet files as text cells, with the likely cause where a file is something else."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular

SUFFIXES = (".csv", ".parquet")
OTHER_SUFFIXES = (".tsv", ".txt", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".csv.gz", ".csv.zip")
"""Of files that people have instead; named where the table is not there."""
UNREADABLE = (OSError, ValueError, TypeError, KeyError, OverflowError, NotImplementedError)
"""What pyarrow and pandas raise at damaged files."""
_HEAD = 1 << 20
"""Bytes of a CSV that are looked at before the rest is read."""
UNPACKED, PER_BYTE, PER_CELL = 1 << 29, 1_000, 64
"""A Parquet file is a bomb where its cells take more bytes than the first, and more than the second
for each of its own; the third is what a cell takes besides its text."""
_SMALL, _THIN = 1 << 26, 16
"""Bytes of a large file, and a row of a column of text in it that may repeat long cells."""
_BATCH = 1 << 16
"""Rows of a Parquet file that are measured at a time."""
MOST_COLUMNS = 1_000
"""A table of more columns is refused: it is turned by 90 degrees, or not a table."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What stands between cells of files that are called CSV and are not."""
SIGNATURES = {
    b"PK\x03\x04": ("a spreadsheet or a zip archive", "Export it as CSV (UTF-8)."),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet", "Export it as CSV (UTF-8)."),
    b"\x1f\x8b": ("compressed", "Unpack it."),
    b"PAR1": ("a Parquet file", "Call it .parquet."),
    b"\xff\xfe": ("UTF-16 text", "Save it as CSV in UTF-8."),
    b"\xfe\xff": ("UTF-16 text", "Save it as CSV in UTF-8."),
    b"<": ("HTML or XML", "Export it as CSV (UTF-8)."),
    b"{": ("JSON", "Export it as CSV (UTF-8)."),
    b"[": ("JSON", "Export it as CSV (UTF-8)."),
}
"""First bytes => what the file is, and what to do."""


def find_table(root: Path, stem: str) -> Path | None:
    """``root/stem.csv`` or ``root/stem.parquet``; None where nothing of the kind is there.

    Raises `DataError` where both are, or only a file that is meant for one of them
    (``Items.CSV``, ``items.xlsx``).
    """
    paths = [root / (stem + suffix) for suffix in SUFFIXES if (root / (stem + suffix)).is_file()]
    if len(paths) > 1:
        raise DataError(
            f"{root}: both {paths[0].name} and {paths[1].name} are there", fix="Keep one of them."
        )
    if not paths:
        _refuse_a_near_name(root, stem)
    return paths[0] if paths else None


def _refuse_a_near_name(root: Path, stem: str) -> None:
    names = {entry.name.casefold(): entry.name for entry in sorted(root.iterdir())}
    for suffix in (*SUFFIXES, *OTHER_SUFFIXES):
        name = names.get(stem + suffix)
        if name is not None:
            fix = "Rename it." if suffix in SUFFIXES else "Export it as CSV (UTF-8, commas)."
            raise DataError(f"{root}: no {stem}.csv or {stem}.parquet, but {name} is", fix=fix)


def read_csv(path: Path) -> pd.DataFrame:
    """The cells of a CSV in UTF-8 with commas, indexed by the rows of the file (header: 1)."""
    text = _utf8(path)
    check_header(path, text)
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            header=None,
            dtype="str",
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty", fix="Add a header and rows.") from None
    except pd.errors.ParserError as error:
        raise not_csv(path, error) from None
    cells = cells.fillna("")
    filled = (cells.apply(lambda column: column.str.strip()) != "").any()  # ends of rows in commas
    cells = cells[list(cells.columns[filled])]
    frame = cells.iloc[1:].set_axis(cells.iloc[0].str.strip().tolist(), axis=1)
    return frame.set_axis(pd.RangeIndex(2, len(cells) + 1), axis=0)


def not_csv(path: Path, error: Exception) -> DataError:
    """What is wrong with a file that the parser of CSV refused."""
    reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
    fix = "Quote cells with commas, and write decimals with a point."
    if "EOF inside string" in reason:
        row = int(re.sub(r"\D", "", reason) or 0) + 1
        reason, fix = f"the quotes of row {row} are not closed", "Close or remove them."
    return DataError(f"{path}: not a valid CSV ({reason})", fix=fix)


def check_header(path: Path, text: str) -> None:
    """Raise `DataError` for a first line that cannot name the columns of a CSV."""
    header = re.split(r"\r\n|\r|\n", text[:1_000_000], maxsplit=1)[0]
    if header.count(",") >= MOST_COLUMNS:
        raise too_wide(path)
    if text.strip() and not header.strip(" ,"):
        raise DataError(
            f"{path} row 1: blank, expected the names of the columns", fix="Remove blank rows."
        )
    for separator, name in SEPARATORS.items():
        if separator in header and "," not in header:
            raise DataError(
                f"{path} row 1: no commas in {header[:80]!r}: its cells are separated by {name}",
                fix="Save it with commas between the cells and points as decimal signs.",
            )


def too_wide(path: Path) -> DataError:
    """Too many columns."""
    return DataError(
        f"{path} row 1: more than {MOST_COLUMNS:,} columns",
        fix="Expected one row per item or interaction; remove columns that are not needed.",
    )


def _utf8(path: Path) -> str:
    with open_regular(path, "table") as stream:
        head = stream.read(_HEAD)
        _check_head(path, head)
        data = head + stream.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} row {row}: byte 0x{data[error.start]:02x} is not UTF-8",
            fix="Save the file as UTF-8.",
        ) from None
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path} row {row}: holds a NUL", fix="Save it as CSV in UTF-8.")
    return text


def _check_head(path: Path, head: bytes) -> None:
    """Refuse by its beginning what is no text, before all of it is read."""
    for start, (kind, fix) in SIGNATURES.items():
        if head.lstrip().startswith(start):
            raise DataError(f"{path}: is {kind}, expected CSV", fix=fix)
    if b"\0" in head:
        row = head.count(b"\n", 0, head.index(b"\0")) + 1
        raise DataError(f"{path} row {row}: holds a NUL", fix="Save it as CSV in UTF-8.")


def read_parquet(path: Path) -> pd.DataFrame:
    """The cells of a Parquet file as text, indexed as the rows of a CSV would be."""
    open_regular(path, "table").close()
    try:
        schema = pq.read_schema(path)
        _check_schema(path, schema)
        refuse_a_bomb(path, schema.names)
        pq.read_table(path).validate(full=True)
        frame = pd.read_parquet(path)
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
        text = {str(name): _text(cells) for name, cells in frame.items()}
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not a readable Parquet file ({reason})",
            fix="Correct it and export it again, with text in UTF-8.",
        ) from None
    return pd.DataFrame(text, dtype="str").set_axis(pd.RangeIndex(2, len(frame) + 2), axis=0)


def refuse_a_bomb(path: Path, columns: Sequence[str]) -> None:
    """Raise `DataError` where kilobytes would unpack to gigabytes: repeated cells are kept once."""
    texts = [field.name for field in pq.read_schema(path) if _is_text(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        most = max(UNPACKED, PER_BYTE * path.stat().st_size)
        size = PER_CELL * file.metadata.num_rows * len(columns)
        repeated = _repeated(file, columns)
        if size <= most and repeated:
            for batch in file.iter_batches(_BATCH, columns=repeated):
                size += sum(map(_length, batch.columns))
                if size > most:
                    break
    if size > most:
        raise DataError(
            f"{path}: its {file.metadata.num_rows:,} rows would take {size / 1e9:.1f} GB or more",
            fix="Is this the right file? Export it again.",
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _repeated(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """The columns of text that may repeat long cells: in large files those of few bytes a row."""
    schema, about = file.schema_arrow, file.metadata
    stored = [about.row_group(k) for k in range(about.num_row_groups)]
    most = _THIN * about.num_rows if sum(g.total_byte_size for g in stored) > _SMALL else 1 << 62
    thin = []
    for name in columns:
        place = schema.get_field_index(name)
        if place < 0 or not pa.types.is_dictionary(schema.field(place).type):
            continue
        if sum(group.column(place).total_compressed_size for group in stored) < most:
            thin.append(name)
    return thin


def _length(cells: pa.Array) -> int:
    """Bytes of text once it is unpacked."""
    if not pa.types.is_dictionary(cells.type):
        return 0
    lengths = np.asarray(pc.binary_length(cells.dictionary).fill_null(0), dtype=np.int64)
    codes = np.asarray(cells.indices.drop_null(), dtype=np.int64)
    return int(lengths[codes].sum())


def _check_schema(path: Path, schema: pa.Schema) -> None:
    if len(schema) > MOST_COLUMNS:
        raise too_wide(path)
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise DataError(f"{path} row 1: column {twice[0][:80]!r} occurs twice", fix="Rename one.")
    for field in schema:
        if pa.types.is_nested(field.type):
            raise DataError(
                f"{path}: column {field.name[:80]!r} holds {str(field.type)[:80]}, expected one "
                "value per cell",
                fix="Unnest or remove the column.",
            )


def _text(cells: pd.Series) -> pd.Series:
    if cells.dtype == object:
        cells = cells.map(lambda cell: cell.decode("utf-8") if isinstance(cell, bytes) else cell)
    return cells.astype("str").where(cells.notna(), "")
