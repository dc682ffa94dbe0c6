"""What metrics learn from the data alone, kept in the cache across runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from persongen_bench.util.files import cache_root, write_arrays


def kept(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """``make()``, read from the cache where it was made before; other processes wait for it."""
    file: Path = cache_root() / "instruments" / f"{name}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            write_arrays(file, make())
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
