"""Pick-a-Pic's Parquet shards: what people preferred, and pictures opened from their row groups.

Columns as published (Kirstain et al. 2023; v1 and v2): ``caption``, ``user_id``,
``image_0_uid``, ``image_1_uid``, ``label_0``, ``label_1`` (1 and 0, or .5 each for a tie),
``jpg_0``, ``jpg_1`` (the bytes of the pictures), and ``has_label``, ``are_different``,
``best_image_uid``, ``created_at``, ``ranking_id``, ``num_example_per_prompt``, ``model_0``,
``model_1``, which may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.core.types import Image
from persongen_bench.datasets.table_files import UNREADABLE, refuse_a_bomb
from persongen_bench.datasets.tables import Table
from persongen_bench.datasets.typed_columns import Kind, convert

SIDES = ("0", "1")
NEEDED: dict[str, Kind] = {
    "caption": "text", "user_id": "id", "image_0_uid": "id", "image_1_uid": "id",
    "label_0": "share", "label_1": "share",
}  # fmt: skip
OPTIONAL: dict[str, Kind] = {
    "has_label": "flag", "are_different": "flag", "best_image_uid": "text", "created_at": "time",
    "ranking_id": "id", "num_example_per_prompt": "count", "model_0": "text", "model_1": "text",
}  # fmt: skip
PARTS = {"train": "train", "validation_unique": "validation", "test_unique": "test",
         "validation": "validation", "test": "test"}  # fmt: skip
"""Beginning of a shard's name => its part."""
ROWS = 64
"""Rows whose pictures are read at a time."""
_FIX = "Take the published shards."


def shards(root: Path) -> list[Path]:
    """The Parquet files in ``root`` or ``root/data``, by name; empty where there is none."""
    for folder in (root, root / "data"):
        paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
        if paths:
            return paths
    return []


def part_of(path: Path) -> str:
    """``train``, ``validation`` or ``test``, by the name of a shard; ``train`` for any other."""
    stem = path.name.split("-")[0].removesuffix(".parquet")
    return PARTS.get(stem, "train")


def read_shard(path: Path, *, pictures: bool) -> pd.DataFrame:
    """A row per comparison: the columns there are, and ``_row``, its number in the file from 0.

    Raises `DataError` with file and row for what is malformed.
    """
    file = _open(path)
    with file:
        columns = _columns(path, file, pictures=pictures)
        parts, first = [], 0
        for batch in _batches(path, file, list(columns)):
            table = Table(path, batch.set_axis(pd.RangeIndex(first + 1, first + len(batch) + 1)))
            values = {name: convert(table, name, kind) for name, kind in columns.items()}
            part = pd.DataFrame(values)
            _check_labels(table, part)
            parts.append(part.assign(_row=np.arange(first, first + len(batch))))
            first += len(batch)
    if not parts:
        raise DataError(f"{path}: no rows", fix=_FIX)
    return pd.concat(parts, ignore_index=True).assign(_shard=path.name, _part=part_of(path))


def _open(path: Path) -> pq.ParquetFile:
    with open_regular(path, "shard"):
        pass
    try:
        return pq.ParquetFile(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _columns(path: Path, file: pq.ParquetFile, *, pictures: bool) -> dict[str, Kind]:
    present = file.schema_arrow.names
    wanted = [*NEEDED, *([f"jpg_{side}" for side in SIDES] if pictures else [])]
    missing = next((name for name in wanted if name not in present), None)
    if missing is not None:
        fix = _FIX
        if missing.startswith("jpg"):
            fix = "Take the shards with pictures, or use --data-option pictures=none."
        raise DataError(
            f"{path}: no column {missing!r}, found {', '.join(map(repr, present[:25]))}", fix=fix
        )
    for name in wanted[len(NEEDED) :]:
        kind = file.schema_arrow.field(name).type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise DataError(f"{path}: column {name!r} holds {kind}, expected bytes", fix=_FIX)
    return NEEDED | {name: kind for name, kind in OPTIONAL.items() if name in present}


def _batches(path: Path, file: pq.ParquetFile, columns: list[str]) -> Iterator[pd.DataFrame]:
    try:
        refuse_a_bomb(path, columns)
        for batch in file.iter_batches(batch_size=50_000, columns=columns):
            pa.Table.from_batches([batch]).validate(full=True)
            frame = batch.to_pandas()
            yield frame.apply(_filled)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _filled(cells: pd.Series) -> pd.Series:
    """Text without missing values; other types as they are."""
    if pd.api.types.is_string_dtype(cells):
        return cells.astype("str").where(cells.notna(), "").astype("str").str.strip()
    return cells


def _check_labels(table: Table, rows: pd.DataFrame) -> None:
    labels = rows[["label_0", "label_1"]].to_numpy(dtype=np.float64)
    labelled = labelled_rows(rows)
    known = np.isin(labels, (0.0, 0.5, 1.0)).all(axis=1) & (labels.sum(axis=1) == 1)
    what = "labels are {label_0} and {label_1}, expected 1 and 0, 0 and 1 or .5 twice"
    table.reject(labelled & ~known, what, _FIX)
    empty = (rows["caption"] == "").to_numpy(dtype=bool)
    table.reject(empty, "empty caption", _FIX)
    same = (rows["image_0_uid"] == rows["image_1_uid"]).to_numpy(dtype=bool)
    table.reject(same, "both images are {image_0_uid}", _FIX)
    if "best_image_uid" in rows:
        loser = np.where(labels[:, 0] > labels[:, 1], rows["image_1_uid"], rows["image_0_uid"])
        wrong = labelled & (labels[:, 0] != labels[:, 1]) & (rows["best_image_uid"] == loser)
        what = "best_image_uid is {best_image_uid}, but the labels are {label_0} and {label_1}"
        table.reject(np.asarray(wrong, dtype=bool), what, _FIX)


def labelled_rows(rows: pd.DataFrame) -> Bool[np.ndarray, " n"]:
    """Rows that somebody labelled: those that ``has_label`` does not deny."""
    if "has_label" in rows:
        return rows["has_label"].to_numpy(dtype=bool)
    return np.ones(len(rows), dtype=bool)


@dataclass(frozen=True)
class ShardPictures:
    """Opens pictures by their shard, row and side (columns of the catalogue)."""

    folder: Path

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows`` in their order; of a row group `ROWS` rows are held at a time.

        A damaged or missing picture raises `DataError`.
        """
        opened: dict[int, Image] = {}
        keys = rows[["shard", "side"]].assign(row=rows["row"], place=np.arange(len(rows)))
        for (shard, side), wanted in keys.groupby(["shard", "side"], sort=True):
            opened |= self._of(self.folder / str(shard), str(side), wanted)
        return [opened[place] for place in range(len(rows))]

    def _of(self, path: Path, side: str, wanted: pd.DataFrame) -> dict[int, Image]:
        column, places = f"jpg_{side}", wanted.groupby("row")["place"].agg(list)
        opened: dict[int, Image] = {}
        with _open(path) as file:
            for row, data in _bytes_at(path, file, column, np.sort(places.index.to_numpy())):
                name = f"{path} row {row + 1} {column}"
                if not data:
                    raise DataError(f"{name}: no picture", fix=_FIX)
                image = images.decode(data, name)
                opened |= dict.fromkeys(places[row], image)
        return opened


def _bytes_at(
    path: Path, file: pq.ParquetFile, column: str, rows: np.ndarray
) -> Iterator[tuple[int, bytes | None]]:
    """Row and cell of the sorted ``rows``; only the row groups that hold one are read."""
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    try:
        for group in np.unique(np.searchsorted(starts, rows, side="right") - 1).tolist():
            last = rows[rows < starts[group + 1]][-1]
            first = int(starts[group])
            for batch in file.iter_batches(ROWS, row_groups=[group], columns=[column]):
                here = rows[(rows >= first) & (rows < first + len(batch))]
                yield from ((int(row), batch.column(0)[int(row) - first].as_py()) for row in here)
                first += len(batch)
                if first > last:
                    break
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path}: not a readable Parquet file ({reason})", fix=_FIX)


def shares_won(rows: pd.DataFrame) -> Float[np.ndarray, "n 2"]:
    """What each side got of each comparison: 1, .5 or 0."""
    return rows[["label_0", "label_1"]].to_numpy(dtype=np.float64)
