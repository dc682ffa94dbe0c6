"""Malformed Parquet files in a user's own folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_case import Case
from fuzz_inputs import STRANGERS, damages, write
from fuzz_tables import N_ITEMS, spoilt


def parquet(name: str, table: pa.Table, **options: Any) -> Callable[[Path], None]:
    """Writes the table in place of its CSV."""

    def make(folder: Path) -> None:
        (folder / name).with_suffix(".csv").unlink(missing_ok=True)
        pq.write_table(table, folder / name, **options)

    return make


def _log_table(**columns: Any) -> pa.Table:
    n = N_ITEMS * 4
    said = {
        "user_id": [f"u{k // N_ITEMS}" for k in range(n)],
        "item_id": [f"i{k % N_ITEMS}" for k in range(n)],
        "rating": [1.0 + k % 5 for k in range(n)],
    }
    return pa.table({name: cells for name, cells in {**said, **columns}.items()
                     if cells is not None})  # fmt: skip


def _typed() -> dict[str, Any]:
    """Columns of every type of Arrow."""
    n = N_ITEMS * 4
    whole = list(range(n))
    bad = pa.Array.from_buffers(pa.string(), n, [
        None, pa.py_buffer(np.arange(n + 1, dtype=np.int32).tobytes()), pa.py_buffer(b"\xff" * n),
    ])  # fmt: skip
    return {
        "nulls": pa.nulls(n), "truth": pa.array([True, False] * (n // 2)),
        "huge": pa.array([2**64 - 1] * n, pa.uint64()), "NaN": pa.array([float("nan")] * n),
        "inf": pa.array([float("inf")] * n), "half": pa.array(np.zeros(n, np.float16)),
        "decimal": pa.array(whole, pa.decimal128(38, 0)),
        "decimal 256": pa.array(whole, pa.decimal256(76, 3)), "date": pa.array(whole, pa.date32()),
        "date 64": pa.array([86_400_000 * 10**6] * n, pa.date64()),
        "times": pa.array([2**50] * n, pa.timestamp("s")),
        "times ms": pa.array([2**62] * n, pa.timestamp("ms")),
        "times ns": pa.array([-(2**63) + 1] * n, pa.timestamp("ns")),
        "times in a zone": pa.array([2**40] * n, pa.timestamp("us", tz="Mars/Olympus")),
        "clock": pa.array(whole, pa.time64("ns")), "spans": pa.array(whole, pa.duration("s")),
        "bytes": pa.array([b"\xff\xfe"] * n), "fixed bytes": pa.array([b"ab"] * n, pa.binary(2)),
        "lists": pa.array([[1]] * n), "records": pa.array([{"a": 1}] * n),
        "maps": pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        "coded": pa.array(["x", None] * (n // 2)).dictionary_encode(),
        "coded numbers": pa.array(whole).dictionary_encode(),
        "views": pa.array(["x"] * n, pa.string_view()), "not UTF-8": bad,
        "large not UTF-8": bad.view(pa.binary()).cast(pa.large_binary()),
        "deep": pa.array([[[[[[[[1]]]]]]]] * n), "long": pa.array(["x" * 20_000] * n),
    }  # fmt: skip


def parquets() -> list[Case]:
    """Parquet files of odd types and shapes, cut and flipped ones, and bombs."""
    cases = [
        Case(f"parquet {column}: {what}",
             spoilt(parquet("interactions.parquet", _log_table(**{column: values}))),
             may_pass=True)
        for what, values in _typed().items()
        for column in ("item_id", "rating", "timestamp")
    ]  # fmt: skip
    sink = pa.BufferOutputStream()
    pq.write_table(_log_table(), sink)
    data = sink.getvalue().to_pybytes()

    def instead(content: bytes) -> Any:
        return spoilt(lambda folder: (folder / "interactions.csv").unlink(),
                      write("interactions.parquet", content))  # fmt: skip

    for what, content in (damages(data, 6, 14) | STRANGERS).items():
        cases.append(Case(f"parquet: {what}", instead(content), may_pass=what not in STRANGERS))
    shapes = {
        "no columns": pa.table({}),
        "no rows": _log_table().slice(0, 0),
        "a column twice": pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]),
        "a name of 100 kB": pa.table({"x" * 100_000: [1]}),
        "a name in colour": pa.table({"\x1b[31m\u202e\n": [1]}),
    }
    cases += [Case(f"parquet: {what}", spoilt(parquet("interactions.parquet", table)))
              for what, table in shapes.items()]  # fmt: skip
    return cases + [Case(f"parquet: {what}", spoilt(make)) for what, make in BOMBS.items()]


def _wide(folder: Path) -> None:
    table = pa.table({f"c{k}": [1] for k in range(20_000)})
    parquet("interactions.parquet", table)(folder)


def _bomb(n: int, cell: str, folder: Path) -> None:
    """Many rows of one cell: kilobytes that unpack to gigabytes."""
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), pa.array([cell]))
    table = pa.table({"user_id": codes, "item_id": codes, "rating": codes})
    parquet("interactions.parquet", table, write_statistics=False)(folder)


BOMBS: dict[str, Callable[[Path], None]] = {
    "20,000 columns": _wide,
    "30 million rows of one cell": partial(_bomb, 30_000_000, "x"),
    "300,000 long cells": partial(_bomb, 300_000, "x" * 9_000),
    "1,000 cells of 10 MB": partial(_bomb, 1_000, "x" * 10_000_000),
}
