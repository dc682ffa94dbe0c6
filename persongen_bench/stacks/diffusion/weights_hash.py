"""What identifies weights: names and contents of their files; no model is opened for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from persongen_bench.util.files import file_sha256


def weights_sha256(folders: dict[str, tuple[Path, list[str]]]) -> str:
    """``sha256:`` and 16 digits over the names and contents of files.

    ``folders``: label => folder and file names in it; the place on disk does not enter.
    """
    digest = hashlib.sha256()
    for label, (folder, names) in sorted(folders.items()):
        for name in sorted(names):
            digest.update(f"{label}/{name}={file_sha256(folder / name)}\n".encode())
    return f"sha256:{digest.hexdigest()[:16]}"
