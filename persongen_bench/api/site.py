"""A static site of runs, as Python and the command line ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.site import check, write
from persongen_bench.site.write import Asked, Built


def build_site(
    runs: str | Path | Sequence[str | Path],
    out: str | Path,
    progress: Progress | None = None,
    **asked: Any,  # noqa: ANN401  # fields of `Asked`
) -> Built:
    """Write a folder of pages that opens without a server: boards, people, pictures, comparisons.

    Args:
        runs: a folder or several, searched for run directories at any depth.
        out: a new or empty folder, or a site, which is replaced.
        progress: bars; None: none.
        asked: by name: ``board`` (only this one), ``metrics`` (columns besides the boards' own),
            ``pictures`` (of rows, in the whole site), ``audit`` (a ``metric-audit.json``), ``data``
            (where the data lie).

    Raises:
        ConfigError: for a folder that holds something else.
        RunError: if no run can stand in any table.
    """
    folders = [runs] if isinstance(runs, str | Path) else list(runs)
    if not folders:
        raise ConfigError("no folder of runs was named", fix="Name one: `pgbench site runs`.")
    return write.build(
        [Path(one) for one in folders], Path(out), Asked(**asked), progress or no_progress
    )


def check_site(folder: str | Path) -> list[str]:
    """What is wrong with a site, a line each: dead links, and what no site loads or runs.

    Raises `ConfigError` for a folder that holds no site.
    """
    return check.check(Path(folder))
