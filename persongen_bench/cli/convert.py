"""`pgbench convert lora`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

convert_app = typer.Typer(no_args_is_help=True, help="Model files of one form into another.")


@convert_app.callback()
def _group() -> None:
    """Without this a group of one command would be that command."""


@convert_app.command("lora")
def lora(
    source: Annotated[Path, typer.Argument(help="LoRA file: kohya, comfy, peft or diffusers.")],
    target: Annotated[Path, typer.Argument(help="File to write; of peft: folder.")],
    to: Annotated[str, typer.Option(help="diffusers, kohya or peft.")] = "diffusers",
    rank: Annotated[int | None, typer.Option(min=1, help="Cut every layer to this rank.")] = None,
    only: Annotated[
        str | None, typer.Option(help="unet: leave out what belongs to text encoders.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Stack whose decoder it must fit, such as sdxl.")
    ] = None,
) -> None:
    """Write a LoRA under the names of one library; alpha, rank and scale are folded in."""
    from rich.table import Table

    from persongen_bench.api.lora_files import convert_lora
    from persongen_bench.cli.screen import width
    from persongen_bench.core.plain import plain
    from persongen_bench.util.printed import console

    said: Any = {"to": to, "only": only}
    made = convert_lora(source, target, rank=rank, base=base, **said)
    table = Table("layers", "number", "ranks", "kept")
    for row in made.rows:
        ranks = ", ".join(map(str, row.ranks))
        table.add_row(plain(row.name), str(row.n_layers), ranks, f"{row.kept:.4f}")
    screen = console(width())
    screen.print(table)
    for note in made.lora.notes:
        screen.print(plain(note))
    fits = f"fits {', '.join(made.bases)}" if made.bases else "fits none of sd15, sdxl, sandbox"
    screen.print(f"{plain(str(made.path))}: {len(made.lora.layers)} layers; {fits}")
