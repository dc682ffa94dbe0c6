"""`pgbench site`: a static site of runs, and whether one holds together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError
from persongen_bench.util.printed import say

site_app = typer.Typer()


@site_app.command()
def site(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUNS]...", help="Folders of run directories.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write: new, empty, or a site.")
    ] = None,
    board: Annotated[str | None, typer.Option(help="Which board; default: every one.")] = None,
    pictures: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Pictures of rows, in the whole site.")
    ] = 20_000,
    metric: options.Metrics = None,
    audit: Annotated[
        Path | None, typer.Option(help="metric-audit.json of `pgbench audit metrics`.")
    ] = None,
    data: options.Data = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="DIR", help="Find dead links of a site.")
    ] = None,
) -> None:
    """Write boards, people and pictures as pages that open without a server; or check such pages.

    The status is 1 where --check finds a dead link.
    """
    from persongen_bench.api.site import build_site, check_site
    from persongen_bench.util.progress import bars

    if check is not None:
        if runs or out is not None:
            raise ConfigError("--check builds nothing", fix="Leave RUNS and --out away.")
        found = check_site(check)
        for line in found:
            say(line)
        say(f"{check}: {len(found)} dead links" if found else f"{check}: no dead link")
        raise typer.Exit(int(bool(found)))
    if not runs or out is None:
        raise ConfigError("a site needs runs and a folder", fix="`pgbench site RUNS --out DIR`.")
    with bars() as progress:
        built = build_site(
            runs, out, progress, board=board, metrics=tuple(metric or ()), pictures=pictures,
            audit=audit, data=data,
        )  # fmt: skip
    say(str(built))
