"""`pgbench check | new | selftest | doctor`: is this method, this benchmark, this machine sound?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.util.printed import console, say

plugins_app = typer.Typer()
new_app = typer.Typer(no_args_is_help=True, help="Write the skeleton of a plugin package.")


@plugins_app.command()
def check(
    name: Annotated[str, typer.Argument(help="Registered name, such as dist/name.")],
    seed: Annotated[
        int | None, typer.Option(help="Seed of the worlds, to see a check again.", min=0)
    ] = None,
) -> None:
    """Run the contract tests on a method, data set, metric, stack, track or board."""
    from persongen_bench.instruments.checking import check as run_checks

    if not run_checks(name, say, seed=seed).passed:
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
    from rich.text import Text

    from persongen_bench.api.doctor import examine
    from persongen_bench.core.plain import plain_lines

    screen, state = console(), examine()
    for key, value in state.facts.items():
        screen.print(f"{key:>10}  {plain_lines(value)}")
    for problem in state.problems:
        screen.print(Text.assemble((f"{'problem':>10}", "red"), f"  {plain_lines(problem)}"))
    screen.print(f"{len(state.problems)} problems" if state.problems else "everything imports")
    if state.problems:
        raise typer.Exit(1)


Name = Annotated[str, typer.Argument(help="Its name, such as my-method; also the package's.")]
Folder = Annotated[Path | None, typer.Option(help="Where to write; default: ./NAME.")]


def _write(kind: str, name: str, folder: Path | None) -> None:
    from persongen_bench.testing.scaffold import write_plugin

    say(f"wrote {write_plugin(kind, name, folder)}")


@new_app.command("method")
def new_method(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a method that passes `pgbench check`."""
    _write("method", name, folder)


@new_app.command("dataset")
def new_dataset(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a data set that passes `pgbench check`."""
    _write("dataset", name, folder)


@new_app.command("metric")
def new_metric(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a metric that passes `pgbench check`."""
    _write("metric", name, folder)


@new_app.command("track")
def new_track(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a track that passes `pgbench check`."""
    _write("track", name, folder)


@new_app.command("stack")
def new_stack(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a stack that passes `pgbench check`."""
    _write("stack", name, folder)


@new_app.command("board")
def new_board(name: Name, folder: Folder = None) -> None:
    """Write an installable package with a board that passes `pgbench check`."""
    _write("board", name, folder)
