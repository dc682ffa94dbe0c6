"""A complete run as boards read it: what it exported, brought up to the present schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from persongen_bench.core.errors import RunError
from persongen_bench.loop import documents
from persongen_bench.loop.copies import Copies, read_copies
from persongen_bench.loop.schema import RunConfig, Summary


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


def read_results(path: Path, config: RunConfig) -> RunResults:
    """The exports of the run in ``path``; those of schema version 1 get the present columns."""
    scores = _parquet(path / "scores.parquet").rename(columns={"user_id": "unit"})
    samples = _parquet(path / "samples.parquet")
    if "digest" not in samples:
        samples = samples.assign(digest=samples["pixel_hash"], request_id="")
    return RunResults(
        path=path,
        config=config,
        summary=documents.read(Summary, path / "summary.json"),
        scores=scores,
        samples=samples,
        cost=json.loads((path / "cost.json").read_text(encoding="utf-8")),
        copies=read_copies(path),
    )


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: not a readable Parquet file ({error})",
            fix="`pgbench score` this run to write it again.",
        ) from None
