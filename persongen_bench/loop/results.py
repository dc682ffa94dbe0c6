"""A complete run as boards read it: what it exported, brought up to the present schema.

Tables stay in Arrow's memory; a frame of pandas is made for whoever asks for one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from pyarrow import parquet

from persongen_bench.core.errors import RunError
from persongen_bench.core.later import pd
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.core.regular_files import read_regular
from persongen_bench.core.seams import cause_of
from persongen_bench.core.types import SampleState
from persongen_bench.loop import documents
from persongen_bench.loop.copies import Copies, read_copies
from persongen_bench.loop.human import Human, read_human
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.util.said import shown

MOST_COLUMNS = 64
"""Of a table of a run."""
MOST_ROWS = 20_000_000
MOST_GROUPS = 10_000
MOST_BYTES = 1 << 30
"""Of a table's file, and of its columns, not compressed."""
AGAIN = "`pgbench score` this run to write it again."
_SAMPLE_TEXTS = ("sample_id", "user_id", "state", "reason", "pixel_hash")
_ATTRIBUTES = b"PANDAS_ATTRS"
"""Where pandas keeps the attributes of a table that it writes."""


@dataclass(frozen=True)
class MetricScores:
    """The scores of one metric, in the order of the table."""

    units: tuple[str, ...]
    values: Float[np.ndarray, " units"]
    """NaN where undefined."""
    signatures: frozenset[str]

    @cached_property
    def by_unit(self) -> dict[str, float]:
        """Unit => value."""
        return dict(zip(self.units, self.values.tolist(), strict=True))


@dataclass(frozen=True)
class RunResults:
    """A complete run as boards read it.

    ``score_table``: columns ``unit, metric, value, signature``; ``sample_table``:
    `journal.SAMPLE_COLUMNS` in canonical order; ``cost``: plain numbers by name
    (``fit_seconds, seconds_per_image_p50, seconds_per_image_p95, peak_memory_mb,
    bytes_per_user``), kept apart because they differ between machines.
    """

    path: Path
    config: RunConfig
    summary: Summary
    score_table: pa.Table
    sample_table: pa.Table
    cost: dict[str, Any]
    copies: Copies | None = None
    """What was found of copies; None: the run was not searched."""
    human: Human | None = None
    """What people said in studies; None: none was analysed into it."""

    @cached_property
    def scores(self) -> pd.DataFrame:
        """``score_table`` as a frame."""
        frame = _frame(self.score_table)
        frame.attrs.update(self.attributes)
        return frame

    @cached_property
    def samples(self) -> pd.DataFrame:
        """``sample_table`` as a frame."""
        return _frame(self.sample_table)

    @property
    def attributes(self) -> dict[str, Any]:
        """What the table of scores says of itself (`loop.seal`)."""
        kept = (self.score_table.schema.metadata or {}).get(_ATTRIBUTES)
        try:
            said = None if kept is None else json.loads(kept)
        except ValueError:
            file = self.path / "scores.parquet"
            raise RunError(f"{file}: what it says of itself is damaged", fix=AGAIN) from None
        return said if isinstance(said, dict) else {}

    @cached_property
    def by_metric(self) -> dict[str, MetricScores]:
        """The scores divided by metric, once for all that look; in the order of the table."""
        units, metrics, signatures = (
            self.score_table[name].to_pylist() for name in ("unit", "metric", "signature")
        )
        values = _floats(self.score_table["value"])
        rows: dict[str, list[int]] = {}
        for row, metric in enumerate(metrics):
            rows.setdefault(metric, []).append(row)
        return {
            metric: MetricScores(
                tuple(units[row] for row in own),
                values[own],
                frozenset(signatures[row] for row in own),
            )
            for metric, own in rows.items()
        }

    @cached_property
    def units(self) -> frozenset[str]:
        """Every unit of the scores."""
        return frozenset(self.score_table["unit"].to_pylist())

    @cached_property
    def states(self) -> dict[str, int]:
        """State => samples that are in it."""
        return dict(Counter(self.sample_table["state"].to_pylist()))

    @cached_property
    def requests(self) -> frozenset[str]:
        """Every request that was answered."""
        return frozenset(self.sample_table["request_id"].to_pylist())


def read_summary(path: Path, config: RunConfig) -> Summary | None:
    """The summary of the run in ``path``; None where it lacks metrics that were asked for."""
    file = path / "summary.json"
    summary = documents.read(Summary, file) if file.exists() else None
    return summary if summary and set(summary.metrics) == set(config.metrics) else None


def read_results(path: Path, config: RunConfig, summary: Summary) -> RunResults:
    """The exports of the run in ``path``; those of schema version 1 get the present columns.

    Raises `RunError` for whatever is wrong with one of the files, which is named.
    """
    scores = read_table(path / "scores.parquet")
    about, now = scores.schema.metadata, {"user_id": "unit"}
    scores = scores.rename_columns([now.get(name, name) for name in scores.column_names])
    scores = scores.replace_schema_metadata(about)
    _require(path / "scores.parquet", scores, texts=("unit", "metric", "signature"))
    _require_values(path / "scores.parquet", scores)
    samples = read_table(path / "samples.parquet")
    _require(path / "samples.parquet", samples, texts=_SAMPLE_TEXTS)
    if "digest" not in samples.column_names:
        samples = samples.append_column("digest", samples["pixel_hash"])
        samples = samples.append_column("request_id", pa.array([""] * len(samples), pa.string()))
    _require(path / "samples.parquet", samples, texts=("digest", "request_id"))
    _require_samples(path / "samples.parquet", samples)
    results = RunResults(
        path=path,
        config=config,
        summary=summary,
        score_table=scores,
        sample_table=samples,
        cost=documents.read_object(path / "cost.json"),
        copies=read_copies(path),
        human=read_human(path, config.run_id),
    )
    _require_once(path / "scores.parquet", results.by_metric)
    return results


def read_table(path: Path) -> pa.Table:
    """The table in a regular Parquet file of at most `MOST_COLUMNS` columns and `MOST_ROWS` rows.

    Raises `RunError` for anything else.
    """
    try:
        file = parquet.ParquetFile(pa.BufferReader(read_regular(path, "Parquet", MOST_BYTES)))
        _require_size(file.metadata)
        table = file.read(use_threads=False)
        table.validate(full=True)
    except Exception as error:  # noqa: BLE001  # libraries raise whatever damage makes them stumble over
        raise RunError(
            f"{path}: not a readable Parquet file ({cause_of(error)})", fix=AGAIN
        ) from None
    return table


def _require_size(about: parquet.FileMetaData) -> None:
    if about.num_columns > MOST_COLUMNS:
        raise RunError(f"{about.num_columns:,} columns, a run writes at most {MOST_COLUMNS}")
    groups = [about.row_group(k) for k in range(min(about.num_row_groups, MOST_GROUPS))]
    sizes = [group.total_byte_size for group in groups]
    if about.num_row_groups > MOST_GROUPS or about.num_rows > MOST_ROWS or sum(sizes) > MOST_BYTES:
        raise RunError(f"{about.num_rows:,} rows in {sum(sizes):,} bytes, more than a run writes")


def _require(path: Path, table: pa.Table, texts: Sequence[str]) -> None:
    """Raise `RunError` for a column that is missing, holds something else than texts, or gaps."""
    for name in texts:
        place = table.schema.get_field_index(name)
        if place < 0:
            raise RunError(f"{path}: no column {name!r}", fix=AGAIN)
        held, gaps = table.schema.field(place).type, table.column(place).null_count
        if held not in (pa.string(), pa.large_string()) and len(table):
            said = plain(str(held), LABEL)
            raise RunError(f"{path}: column {name!r} holds {said}, expected texts", fix=AGAIN)
        if gaps:
            raise RunError(f"{path}: column {name!r} holds {gaps} gaps, expected texts", fix=AGAIN)


def _require_values(path: Path, scores: pa.Table) -> None:
    place = scores.schema.get_field_index("value")
    held = None if place < 0 else scores.schema.field(place).type
    if held != pa.float64():
        said = "is not there" if held is None else f"holds {plain(str(held), LABEL)}"
        raise RunError(f"{path}: column 'value' {said}, expected float64", fix=AGAIN)
    if np.isinf(_floats(scores.column(place))).any():
        raise RunError(f"{path}: a value is infinite", fix=AGAIN)


def _frame(table: pa.Table) -> pd.DataFrame:
    """By the types of its columns; what pandas wrote of them beside may be anything."""
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    return frame


def _floats(column: pa.ChunkedArray) -> Float[np.ndarray, " rows"]:
    return np.array(column.to_pylist(), dtype=np.float64)  # Arrow's own way needs pandas


def _require_once(path: Path, metrics: dict[str, MetricScores]) -> None:
    for name, scores in metrics.items():
        if len(set(scores.units)) < len(scores.units):
            unit = next(unit for unit, n in Counter(scores.units).items() if n > 1)
            raise RunError(f"{path}: two values of {shown(name)} for unit {shown(unit)}", fix=AGAIN)


def _require_samples(path: Path, samples: pa.Table) -> None:
    strange = sorted(set(samples["state"].to_pylist()) - set(get_args(SampleState)))
    if strange:
        raise RunError(f"{path}: there is no state {shown(strange[0])}", fix=AGAIN)
    if len(set(samples["sample_id"].to_pylist())) < len(samples):
        raise RunError(f"{path}: a sample stands in two rows", fix=AGAIN)
