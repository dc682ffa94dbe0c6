"""`pgbench shard | merge`: a run that jobs of a cluster make in shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import plain
from persongen_bench.util.printed import say

shards_app = typer.Typer()


@shards_app.command()
def shard(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[I/N] RUN", help="Share, by default that of the Slurm array; run directory."
        ),
    ],
    data: options.Data = None,
    batch_size: options.Batch = 64,
    fit: Annotated[
        bool, typer.Option("--fit", help="Of its fit, where the method learns user by user.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Say how far all workers are, and where; make none.")
    ] = False,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
) -> None:
    """Make the I-th of N shares of a run that is fitted; goes on where it was stopped.

    Shares may be made in any order, anywhere that sees the folders of the run and of the cache.
    """
    from persongen_bench.api.engines import fit_share
    from persongen_bench.api.engines import shard as make_shard
    from persongen_bench.api.settings import execution_of

    if len(words) > 2:
        raise ConfigError("too many words", fix="Say pgbench shard 2/7 RUN.")
    *share, run = words
    if status:
        _say_status(Path(run))
        return
    with execution_of({"batch_size": batch_size}) as execution:
        if fit:
            part, n_users = fit_share(Path(run), share[0] if share else None, data, execution)
            say(f"{part}: fitted for {n_users} users")
            return
        mine, n_now, n = make_shard(Path(run), share[0] if share else None, data, execution)
    say(f"{mine}: {n_now} of {n} samples made now; all are in its journal")


def _say_status(run: Path) -> None:
    from persongen_bench.api.engines import status
    from persongen_bench.util.progress import span

    rows, n_made, n = status(run)
    for row in rows:
        heard = "nothing yet" if row.heard is None else f"last heard {span(row.heard)} ago"
        failed = f", {row.n_failed} failed" if row.n_failed else ""
        place = f"; {plain(row.where)}" if row.where else ""
        say(f"{plain(row.name)}: {row.n_ok} ok{failed}, {heard}{place}")
    say(f"all workers: {n_made} of {n} samples")


@shards_app.command()
def merge(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    data: options.Data = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until all is made, with one bar for all workers.")
    ] = False,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
) -> None:
    """Enter into a run what its shards made, and score it; `resume` makes what they lack too."""
    from persongen_bench.api.engines import merge as merge_shards
    from persongen_bench.api.settings import execution_of
    from persongen_bench.cli import printing

    with execution_of({}) as execution:
        made = merge_shards(path, data, execution, wait=wait)
    printing.print_run(made)
