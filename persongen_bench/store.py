"""The run directory: the source of truth of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from persongen_bench.schema import RunConfig, Summary


@dataclass(frozen=True)
class RunResults:
    """A complete run as boards read it.

    ``scores``: columns ``user_id, metric, value, signature``; ``samples``: ``sample_id, user_id,
    index, state, reason, pixel_hash`` in canonical order; ``cost``: plain numbers by name
    (``fit_seconds, seconds_per_image_p50, seconds_per_image_p95, peak_memory_mb,
    bytes_per_user``), kept apart because they differ between machines.
    """

    path: Path
    config: RunConfig
    summary: Summary
    scores: pd.DataFrame
    samples: pd.DataFrame
    cost: dict[str, Any]
