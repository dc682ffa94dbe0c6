"""`pgbench check | new | selftest | doctor`: is this method, this benchmark, this machine sound?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

plugins_app = typer.Typer()
new_app = typer.Typer(no_args_is_help=True, help="Write the skeleton of a plugin package.")


@plugins_app.command()
def check(name: Annotated[str, typer.Argument(help="Registered name, such as dist/name.")]) -> None:
    """Run the contract tests on a method, data set, metric, stack, track or board."""
    from persongen_bench.instruments.checking import check as run_checks

    if not run_checks(name, typer.echo).passed:
        raise typer.Exit(1)


@plugins_app.command()
def selftest(
    quick: Annotated[bool, typer.Option(help="Fewer simulated worlds.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Run the controls that the benchmark itself must pass."""
    from persongen_bench.instruments.controls.suite import run_all

    if not run_all(seed, quick=quick):
        raise typer.Exit(1)


@plugins_app.command()
def doctor() -> None:
    """Say what is installed, where things lie, and which plugins do not import."""
    from rich.console import Console
    from rich.markup import escape

    from persongen_bench.api.doctor import examine

    console, state = Console(highlight=False), examine()
    for key, value in state.facts.items():
        console.print(f"{key:>10}  {escape(value)}")
    for problem in state.problems:
        console.print(f"[red]{'problem':>10}[/red]  {escape(problem)}")
    console.print(f"{len(state.problems)} problems" if state.problems else "everything imports")
    if state.problems:
        raise typer.Exit(1)


@new_app.command("method")
def new_method(
    name: Annotated[str, typer.Argument(help="Name of the method, such as my-method.")],
    folder: Annotated[Path | None, typer.Option(help="Where to write; default: ./NAME.")] = None,
) -> None:
    """Write an installable package with a method that passes `pgbench check`."""
    from persongen_bench.testing.scaffold import write_method

    typer.echo(f"wrote {write_method(name, folder)}")
