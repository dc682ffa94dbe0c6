"""`pgbench audit`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

audit_app = typer.Typer(no_args_is_help=True, help="Put the benchmark's own instruments to test.")


@audit_app.callback()
def _audit() -> None:
    """A group, though there is one command yet."""


@audit_app.command("metrics")
def metrics(
    runs: Annotated[Path, typer.Option(help="Folder of the run directories.")] = Path("runs"),
    board: Annotated[str, typer.Option(help="Board of a world of known taste.")] = "tasteworld",
    output: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("metric-audit"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the hackers' candidates.")] = 0,
) -> None:
    """How each metric ranks methods and users against the truth, and who fools it.

    It measures the runs there are; make them with `pgbench run --method all`.
    """
    from persongen_bench.hackers import Effort
    from persongen_bench.leaderboards.audit_page import summary_table, write
    from persongen_bench.metric_audit import audit
    from persongen_bench.progress import bars

    with bars() as progress:
        found = audit(runs, board, Effort(seed=seed), progress)
    written = write(found, output)
    from rich.console import Console

    Console(highlight=False).print(summary_table(found))
    for path in written:
        typer.echo(str(path))
