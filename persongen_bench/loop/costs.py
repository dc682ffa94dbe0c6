"""What a run cost, from what its journal holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from persongen_bench.loop.generate import PEAK
from persongen_bench.loop.rebuilding import seconds_before
from persongen_bench.loop.store import RunDirectory
from persongen_bench.util.execution import peak_memory_mb


def cost(directory: RunDirectory) -> dict[str, Any]:
    """Cost columns: seconds per image over all images made, memory and bytes per user."""
    seconds = directory.samples()["seconds"].dropna().to_numpy(dtype=float)
    names = ("seconds_per_image_p50", "seconds_per_image_p95")
    quantiles = dict.fromkeys(names, None) | seconds_before(directory.path)
    if len(seconds):
        quantiles = dict(zip(names, np.quantile(seconds, [0.5, 0.95]).tolist(), strict=True))
    return {
        **(directory.noted("fit") or {}),
        **quantiles,
        "peak_memory_mb": round(max(peak_memory_mb(), directory.noted(PEAK) or 0), 1),
    }
