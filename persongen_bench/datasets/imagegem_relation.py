"""One relation of ImageGem from its files: typed, its shards joined, its keys unique."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench.core.errors import DataError
from persongen_bench.datasets.imagegem_schema import RELATIONS, ColumnMap
from persongen_bench.datasets.large_tables import batches, columns_of, find_tables
from persongen_bench.datasets.typed_columns import convert


def among(names: pd.Series | pd.Index, known: pd.Series | pd.Index) -> Bool[np.ndarray, " n"]:
    """Whether each name is one of those that are known; faster than ``isin`` on millions."""
    return np.asarray(pd.Index(known.unique()).get_indexer(pd.Index(names)) >= 0)


def read_relation(names: ColumnMap, relation: str) -> pd.DataFrame | None:
    """A relation with the columns ``_row`` and ``_file`` of where a row stands; None: no table.

    Raises `DataError` for what is malformed, and for a table that was named and is not there.
    """
    paths = find_tables(names.root, names.stem(relation))
    if not paths and relation in names.said:
        stem = names.stem(relation)
        raise DataError(
            f"{names.root}: no {stem}.csv or {stem}.parquet, which columns.toml names as "
            f"{relation}", fix="Add it, or correct columns.toml.",
        )  # fmt: skip
    parts: list[pd.DataFrame] = []
    for path in paths:
        columns = names.columns(relation, columns_of(path), path)
        for table in batches(path, list(columns.values())):
            part = {n: convert(table, c, RELATIONS[relation][n].kind) for n, c in columns.items()}
            parts.append(pd.DataFrame(part).assign(_row=table.frame.index, _file=path.name))
    return _joined(parts) if parts else None


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    for name in parts[0].columns:
        if any(name not in part for part in parts):
            continue
        if isinstance(parts[0][name].dtype, pd.CategoricalDtype):
            kinds = sorted({kind for part in parts for kind in part[name].cat.categories})
            parts = [p.assign(**{name: p[name].cat.set_categories(kinds)}) for p in parts]
    missing = {
        name for part in parts for name in parts[0].columns.symmetric_difference(part.columns)
    }
    if missing:
        name = min(missing)
        lacks = next(part for part in parts if name not in part)
        raise DataError(
            f"{lacks['_file'].iloc[0]} row 1: no column for {name!r}, which other shards have",
            fix="Give all shards the same columns.",
        )
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(_file=whole["_file"].astype("category"))


def indexed_by(table: pd.DataFrame, key: str, root: Path, what: str) -> pd.DataFrame:
    """Indexed by ``key``, sorted; a key that stands twice is refused with both rows."""
    repeated = table.duplicated(key).to_numpy()
    if repeated.any():
        again = table.iloc[int(np.argmax(repeated))]
        first = table[(table[key] == again[key]).to_numpy()].iloc[0]
        raise DataError(
            f"{root / str(again['_file'])} row {again['_row']}: {key} {again[key]!r} is already in "
            f"row {first['_row']} of {first['_file']} ({int(repeated.sum())} such rows)",
            fix=f"Keep one row of {what} for each {key}.",
        )
    rows = table.drop(columns=["_row", "_file"]).set_index(key)
    return rows.sort_index()
