"""`pgbench figure`: parses and calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options

figures_app = typer.Typer()


@figures_app.command()
def figure(
    kind: Annotated[
        str, typer.Argument(help="null, box, ranks, heat, curve, prompts, map, scatter or roc.")
    ],
    runs: Annotated[Path, typer.Argument(help="Folder of the run directories.")],
    output: Annotated[Path, typer.Option("--output", help="File (PNG, PDF or SVG).")],
    board: Annotated[str | None, typer.Option(help="Which board; default: the largest.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Repeatable; default: the headline.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Only these methods or labels (patterns); repeatable."),
    ] = None,
    over: Annotated[
        list[str] | None, typer.Option(help="Numeric option on an axis; repeatable for heat.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="prompts: option that makes the curves. [default: prompt]")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="null: which tests, such as 'permutation.image@*'.")
    ] = None,
    each: Annotated[
        str | None, typer.Option(help="scatter: a point is a user or a picture. [default: user]")
    ] = None,
    of: Annotated[
        str | None, typer.Option(help="map: pictures made or liked. [default: made]")
    ] = None,
    colour: Annotated[
        str | None, typer.Option(help="map: by method, user or an attribute of the items.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="map: the encoder. [default: judge_encoder]")
    ] = None,
    data: options.Data = None,
) -> None:
    """Draw a figure of runs: nulls, boxes, ranks, heat maps, curves, maps, scatters, ROC curves."""
    from persongen_bench.api.figures import figure as draw

    said = {
        "board": board, "metrics": _several(metric), "methods": _several(method),
        "over": _several(over), "by": by, "test": test, "each": each, "of": of,
        "colour": colour, "role": role, "data": data,
    }  # fmt: skip
    draw(kind, runs, output, **{name: value for name, value in said.items() if value is not None})


def _several(given: list[str] | None) -> tuple[str, ...] | None:
    return tuple(given) if given else None
