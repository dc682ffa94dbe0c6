"""What follows from the data alone, kept in the cache across runs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from persongen_bench.loop.feature_shard import Keys, keys_of
from persongen_bench.util.files import array_bytes, arrays_bytes, cache_root
from persongen_bench.util.sealed import kept_file


def kept(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """``make()``, read from the cache where it was made before; other processes wait for it."""
    file: Path = cache_root() / "instruments" / f"{name}.npz"
    return kept_file(file, _parsed, lambda: arrays_bytes(make()))


def _parsed(data: bytes) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    except BadZipFile as error:
        raise ValueError(str(error)) from None


def kept_keys(file: Path, n: int, make: Callable[[], list[str]]) -> Keys:
    """Keys of the n pixel hashes that ``make()`` finds, kept in ``file``."""

    def parsed(data: bytes) -> Keys:
        keys: Keys = np.load(io.BytesIO(data), allow_pickle=False)
        if keys.dtype != np.uint64 or keys.shape != (n,):
            raise ValueError(f"found {keys.dtype} of shape {keys.shape}, expected {n} keys")
        return keys

    return kept_file(file, parsed, lambda: array_bytes(keys_of(make())))
