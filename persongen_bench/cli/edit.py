"""`pgbench edit`: one's own LoRA, moved along directions of a run. Parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError
from persongen_bench.util.printed import say, show
from persongen_bench.util.said import shown

edit_app = typer.Typer()


@edit_app.command()
def edit(
    lora: Annotated[Path, typer.Argument(help="LoRA file: kohya, comfy, peft or diffusers.")],
    run: Annotated[Path, typer.Option(help="Run directory of a method that edits models.")],
    toward: Annotated[
        list[str],
        typer.Option(
            metavar="USER=STRENGTH",
            help="Whose taste, and how far in standard deviations (negative: away from it); "
            "repeatable, all are added up.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="File to write, as diffusers loads it.")],
    data: options.Data = None,
) -> None:
    """Move a LoRA along the directions of one or several users of a run, all at once."""
    from persongen_bench.api.edits import edit_lora
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.terminal import plain_table

    made = edit_lora(lora, run, _strengths(toward), output, data=data)
    rows = [
        (step.user, f"{step.strength:g}", f"{step.alpha:.4g}", f"{step.raw_alpha:.4g}")
        for step in made.steps
    ]
    show(plain_table(("toward", "strength", "alpha", "raw alpha"), rows, width()))
    for note in made.notes:
        say(note)
    ranks = ", ".join(map(str, made.lora.ranks))
    say(f"{made.path}: {len(made.lora.layers)} layers of rank {ranks}")


def _strengths(given: list[str]) -> dict[str, float]:
    """``USER=STRENGTH``, added up by user; the last ``=`` counts, since ids may hold some."""
    said: dict[str, float] = {}
    for pair in given:
        user, _, text = pair.rpartition("=")
        try:
            strength = float(text)
        except ValueError:
            strength = None
        if not user or strength is None:
            raise ConfigError(f"{shown(pair)} is not USER=STRENGTH", fix="Write person-3=2.5.")
        said[user] = said.get(user, 0.0) + strength
    return said
