"""Contents of many files, read once: a file is read again where its size or a time of it is new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from persongen_bench.core.types import content_hash
from persongen_bench.util.cache_places import make_folder
from persongen_bench.util.files import cache_root, short_sha256
from persongen_bench.util.sealed import read_sealed, write_sealed


def contents(root: Path, names: Sequence[str]) -> list[str]:
    """First 16 digits of the sha256 of each file below ``root``, in order.

    The cache remembers them with the size, the time of writing and the time of change of the file,
    the last of which nobody can set.
    """
    memo = cache_root() / "digests" / f"files-{content_hash(str(root.resolve()))}.json"
    known = read_sealed(memo, _parsed) or {}
    read: dict[str, list[Any]] = {}
    for name in names:
        state = (root / name).stat()
        stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns]
        last = known.get(name)
        same = last is not None and last[:3] == stamp
        read[name] = last if last and same else [*stamp, short_sha256(root / name)]
    if not read.items() <= known.items():
        make_folder(memo.parent)
        write_sealed(memo, json.dumps({**known, **read}).encode())
    return [str(read[name][3]) for name in names]


def _parsed(data: bytes) -> dict[str, list[Any]]:
    known = json.loads(data)
    if not isinstance(known, dict) or not all(len(entry) == 4 for entry in known.values()):
        raise ValueError("expected four values of each file")
    return known
