"""One good catalogue, and one complete run on it, for those who damage copies of it."""

import hashlib
import os
from pathlib import Path

import pytest
from fuzz_case import command

from persongen_bench.testing.toy import toy_world, write_folder


def make_home(base: Path) -> Path:
    """``data`` and ``runs`` below ``base``; returns the run."""
    write_folder(toy_world(), base / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(base / "cache"))
        patch.setattr("sys.argv", [])
        status = command(
            "run", "-m", "random-item", "-d", "folder", "--data", base / "data", "--data-option",
            "like_threshold=2", "--no-beside", "--n-images", 2, "--runs", base / "runs",
        )  # fmt: skip
    assert status == 0
    (run,) = [path.parent for path in (base / "runs").rglob("run.json")]
    return run


def fingerprint(folder: Path) -> dict[str, str]:
    """Name => sha256 of every file; what locks and logs leave beside them is left out."""
    return {
        str(Path(place, name).relative_to(folder)): hashlib.sha256(
            Path(place, name).read_bytes()
        ).hexdigest()
        for place, _, names in os.walk(folder)
        for name in names
        if not name.endswith(("-wal", "-shm", ".lock"))
    }
