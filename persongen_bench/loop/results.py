"""A complete run as boards read it: what it exported, brought up to the present schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float
from pandas.api.types import infer_dtype
from pyarrow import parquet

from persongen_bench.core.errors import RunError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.core.seams import cause_of
from persongen_bench.core.types import SampleState
from persongen_bench.loop import documents
from persongen_bench.loop.copies import Copies, read_copies
from persongen_bench.loop.schema import RunConfig, Summary
from persongen_bench.util.said import shown

MOST_COLUMNS = 64
"""Of a table of a run."""
MOST_ROWS = 20_000_000
MOST_GROUPS = 10_000
MOST_BYTES = 1 << 30
"""Of a table's columns, not compressed."""
AGAIN = "`pgbench score` this run to write it again."
_SAMPLE_TEXTS = ("sample_id", "user_id", "state", "reason", "pixel_hash")


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

    ``scores``: columns ``unit, metric, value, signature``; ``samples``: `journal.SAMPLE_COLUMNS` in
    canonical order; ``cost``: plain numbers by name
    (``fit_seconds, seconds_per_image_p50, seconds_per_image_p95, peak_memory_mb,
    bytes_per_user``), kept apart because they differ between machines.
    """

    path: Path
    config: RunConfig
    summary: Summary
    scores: pd.DataFrame
    samples: pd.DataFrame
    cost: dict[str, Any]
    copies: Copies | None = None
    """What was found of copies; None: the run was not searched."""

    @cached_property
    def by_metric(self) -> dict[str, MetricScores]:
        """``scores`` divided by metric, once for all that look; in the order of the table."""
        codes, names = pd.factorize(self.scores["metric"])
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
        units, signatures = (self.scores[c].to_numpy(dtype=object) for c in ("unit", "signature"))
        values = self.scores["value"].to_numpy(dtype=np.float64)
        return {
            str(name): MetricScores(
                tuple(map(str, units[rows])), values[rows], frozenset(signatures[rows])
            )
            for name, rows in zip(names, np.split(order, ends)[: len(names)], strict=True)
        }

    @cached_property
    def units(self) -> frozenset[str]:
        """Every unit of ``scores``."""
        return frozenset(self.scores["unit"].astype(str))


def read_results(path: Path, config: RunConfig) -> RunResults:
    """The exports of the run in ``path``; those of schema version 1 get the present columns.

    Raises `RunError` for whatever is wrong with one of the files, which is named.
    """
    scores = read_table(path / "scores.parquet").rename(columns={"user_id": "unit"})
    _require(path / "scores.parquet", scores, texts=("unit", "metric", "signature"))
    _require_values(path / "scores.parquet", scores)
    samples = read_table(path / "samples.parquet")
    _require(path / "samples.parquet", samples, texts=_SAMPLE_TEXTS)
    if "digest" not in samples:
        samples = samples.assign(digest=samples["pixel_hash"], request_id="")
    _require(path / "samples.parquet", samples, texts=("digest", "request_id"))
    _require_samples(path / "samples.parquet", samples)
    return RunResults(
        path=path,
        config=config,
        summary=documents.read(Summary, path / "summary.json"),
        scores=scores,
        samples=samples,
        cost=documents.read_object(path / "cost.json"),
        copies=read_copies(path),
    )


def read_table(path: Path) -> pd.DataFrame:
    """The table in a regular Parquet file of at most `MOST_COLUMNS` columns and `MOST_ROWS` rows.

    Raises `RunError` for anything else.
    """
    try:
        with open_regular(path, "Parquet") as stream:
            about = parquet.ParquetFile(stream).metadata
            _require_size(about)
            stream.seek(0)
            return pd.read_parquet(stream, use_threads=False)
    except Exception as error:  # noqa: BLE001  # libraries raise whatever damage makes them stumble over
        raise RunError(
            f"{path}: not a readable Parquet file ({cause_of(error)})", fix=AGAIN
        ) from None


def _require_size(about: parquet.FileMetaData) -> None:
    if about.num_columns > MOST_COLUMNS:
        raise RunError(f"{about.num_columns:,} columns, a run writes at most {MOST_COLUMNS}")
    groups = [about.row_group(k) for k in range(min(about.num_row_groups, MOST_GROUPS))]
    sizes = [group.total_byte_size for group in groups]
    if about.num_row_groups > MOST_GROUPS or about.num_rows > MOST_ROWS or sum(sizes) > MOST_BYTES:
        raise RunError(f"{about.num_rows:,} rows in {sum(sizes):,} bytes, more than a run writes")


def _require(path: Path, table: pd.DataFrame, texts: Sequence[str]) -> None:
    """Raise `RunError` for a column that is missing, holds something else than texts, or gaps."""
    for name in texts:
        if name not in table:
            raise RunError(f"{path}: no column {name!r}", fix=AGAIN)
        held = infer_dtype(table[name], skipna=False)
        if held not in ("string", "empty"):
            raise RunError(f"{path}: column {name!r} holds {held}, expected texts", fix=AGAIN)


def _require_values(path: Path, scores: pd.DataFrame) -> None:
    values = scores.get("value")
    if values is None or values.dtype != np.float64:
        held = "is not there" if values is None else f"holds {values.dtype}"
        raise RunError(f"{path}: column 'value' {held}, expected float64", fix=AGAIN)
    if np.isinf(values.to_numpy()).any():
        raise RunError(f"{path}: a value is infinite", fix=AGAIN)
    doubles = scores.duplicated(["metric", "unit"])
    if doubles.any():
        row = scores[doubles].iloc[0]
        raise RunError(
            f"{path}: two values of {shown(row['metric'])} for unit {shown(row['unit'])}", fix=AGAIN
        )


def _require_samples(path: Path, samples: pd.DataFrame) -> None:
    strange = sorted(set(samples["state"]) - set(get_args(SampleState)))
    if strange:
        raise RunError(f"{path}: there is no state {shown(strange[0])}", fix=AGAIN)
    if samples["sample_id"].duplicated().any():
        raise RunError(f"{path}: a sample stands in two rows", fix=AGAIN)
