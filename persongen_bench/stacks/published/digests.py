"""Checksums of large files, computed once and remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from persongen_bench.core.types import content_hash
from persongen_bench.stacks.published.locate import Place
from persongen_bench.util.files import cache_root, file_sha256
from persongen_bench.util.progress import bars
from persongen_bench.util.sealed import read_sealed, write_sealed


def remembered_sha256(path: Path) -> str:
    """Hex sha256 of a file; read again only where its path, size or time of change is new."""
    real = path.resolve()
    state = real.stat()
    identity = [str(real), state.st_size, state.st_mtime_ns]
    memo = cache_root() / "digests" / f"{content_hash(*identity)}.json"
    known = read_sealed(memo, lambda data: str(json.loads(data)["sha256"]))
    if known is None:
        known = file_sha256(real)
        document = {"file": identity, "sha256": known}
        write_sealed(memo, json.dumps(document).encode())
    return known


def combined_sha256(places: Sequence[Place]) -> str:
    """``sha256:`` and 16 digits over the labels and contents of files, wherever they lie."""
    digest = hashlib.sha256()
    with bars() as progress:
        for place in progress(places, "checksums of the weights, files", len(places)):
            digest.update(f"{place.label}={remembered_sha256(place.path)}\n".encode())
    return f"sha256:{digest.hexdigest()[:16]}"
