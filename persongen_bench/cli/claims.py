"""`pgbench claims`: what papers claim, and what runs on the stand-ins say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.printed import show
from persongen_bench.util.said import MOST

claims_app = typer.Typer()


@claims_app.command()
def claims(
    paper: Annotated[
        list[str] | None, typer.Option(help="Such as 001; repeatable. [default: all five]")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every claim, not the default subset alone.")
    ] = False,
    board: Annotated[str | None, typer.Option(help="Only claims that this board answers.")] = None,
    runs: options.Runs = Path("runs"),
    make: Annotated[
        bool, typer.Option("--run/--no-run", help="Make runs and scores that are missing.")
    ] = True,
    seed: options.Seeds = None,
    jobs: Annotated[int, typer.Option(min=1, max=MOST, help="Runs at a time, a process each.")] = 1,
    file: Annotated[Path | None, typer.Option(help="Claims of another paper (TOML).")] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", "-f", help="table, markdown or json; to a file: markdown."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Write to a file.")] = None,
) -> None:
    """Which claims of the papers runs reproduce, reverse, cannot tell apart, or cannot make."""
    from persongen_bench.api.claims import Scope, check_claims
    from persongen_bench.cli.printing import notice
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.claims.report import page, render, require_format
    from persongen_bench.util.files import writable_file, write_atomic

    form = form or ("table" if output is None else "markdown")
    require_format(form)
    if output is not None:
        writable_file(output)
    scope = Scope(
        papers=tuple(paper or ()), every=every, board=board, runs=runs, make=make,
        seeds=tuple(seed or (0,)), jobs=jobs, file=file,
    )  # fmt: skip
    report = check_claims(scope, notice)
    if output is None:
        show(render(report, form, width()), form)
    else:
        text = page(report, every=every) if form == "markdown" else render(report, form)
        write_atomic(output, text.encode())
