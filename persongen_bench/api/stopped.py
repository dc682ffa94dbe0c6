"""What an interruption left unfinished, and how to go on with it."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.plain import plain_lines
from persongen_bench.loop.store import RunDirectory, find_runs


def stopped_runs(runs: Path, since: float) -> str:
    """The unfinished runs of a folder that were written to, and how to go on with them."""
    paths = [path for path in find_runs(runs) if _touched(path) >= since] if runs.is_dir() else []
    unfinished = [path for path in paths if not _complete(path)]
    again = "the same command makes the runs that are not there yet"
    if not unfinished:
        return f"; {again}"
    listed = ", ".join(f"`pgbench resume {plain_lines(str(path))}`" for path in unfinished)
    return f" in {len(unfinished)} run{'s' if len(unfinished) > 1 else ''}: {listed}; {again}"


def _complete(path: Path) -> bool:
    try:
        return RunDirectory.open(path).complete
    except PgbenchError:
        return False


def _touched(path: Path) -> float:
    return max((file.stat().st_mtime for file in path.iterdir()), default=0.0)
