"""`pgbench search`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.execution import THREADS
from persongen_bench.util.printed import say
from persongen_bench.util.said import LARGEST_SEED

if TYPE_CHECKING:
    from persongen_bench.api.search import Search

search_app = typer.Typer()


@search_app.command("search")
def search(
    method: Annotated[str, typer.Argument(help="Method.")],
    dataset: options.Dataset = "tasteworld",
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V1,V2,...", help="Values of an option; repeatable."),
    ] = None,
    grid_preset: Annotated[
        str | None,
        typer.Option(help="Grid of a paper: rebeca-e1, rebeca-v1-a1 or rebeca-v1-a1-second."),
    ] = None,
    tries: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Points to draw. [default: all]")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Of the fits, and of the draw.")
    ] = 0,
    output: Annotated[Path, typer.Option(help="File of the choice.")] = Path("chosen.json"),
    data: options.Data = None,
    data_option: options.DataOptions = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    track: options.Track = None,
    board: options.BoardName = None,
    stack: options.Stack = None,
    lora: options.Lora = None,
    preset: options.Preset = None,
    option: options.Option = None,
    threads: options.Threads = THREADS,
    sealed: options.Sealed = False,  # noqa: ARG001  # its callback asks for it
    method_minutes: options.MethodMinutes = None,  # noqa: ARG001  # as above
    method_gib: options.MethodGib = None,  # noqa: ARG001  # as above
) -> None:
    """Fit a method at the points of a grid; choose by validation loss, never by what is tested."""
    from persongen_bench.api import search as searching
    from persongen_bench.util.files import writable_file

    writable_file(output)
    made = searching.search(
        method, dataset, grid=options.lists(grid), named=grid_preset, tries=tries, seeds=(seed,),
        data=data, data_options=options.pairs(data_option), split=split, split_seed=split_seed,
        track=track, board=board, stack=stack, lora=lora, preset=preset,
        options=options.pairs(option), threads=threads,
    )  # fmt: skip
    say(_printed(made))
    say(f"chosen    {made.method.label}, {made.save(output)}")


def _printed(made: Search) -> str:
    """A line per point, smallest loss first, then what could not be fitted or was left out."""
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.terminal import plain_table

    varied = list(made.points[0].options)
    rows = [
        (
            "failed" if point.loss is None else str(place),
            "" if point.loss is None else f"{point.loss:.6g}",
            *(str(point.options[option]) for option in varied),
            "" if point.fit_seconds is None else f"{point.fit_seconds:.1f}",
        )
        for place, point in enumerate(made.by_loss, 1)
    ]
    lines = [plain_table(("place", "loss", *varied, "fit s"), rows, width())]
    for point in made.points:
        if point.failure:
            said = ", ".join(f"{key}={value}" for key, value in point.options.items())
            lines.append(f"failed    {said}: {point.failure}")
    lines += [f"left out  {line}" for line in made.left_out]
    return "\n".join(lines)
