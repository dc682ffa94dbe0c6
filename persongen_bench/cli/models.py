"""`pgbench models`: the commands around model files. Parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(no_args_is_help=True, help="Model files: fetch, find, check, train.")

Stack = Annotated[str, typer.Argument(help="sd15, sdxl, judges or language.")]
Folder = Annotated[
    Path | None,
    typer.Option(help="Folder with a copy of each repository; default: the hub's cache."),
]


@models_app.command("pull")
def pull(stack: Stack, folder: Folder = None) -> None:
    """Download the published files of a stack; continues where it stopped."""
    from persongen_bench.api import models as model_files

    model_files.pull(stack, folder)


@models_app.command("where")
def where(stack: Stack, folder: Folder = None) -> None:
    """Print every file of a stack, found or missing, with its size."""
    from persongen_bench.api import models as model_files

    model_files.where(stack, folder)


@models_app.command("verify")
def verify(
    stack: Stack,
    folder: Folder = None,
    checksums: Annotated[bool, typer.Option(help="Compute sha256 sums (reads every byte).")] = True,
) -> None:
    """Check sizes, tensors and checksums of a stack's files."""
    from persongen_bench.api import models as model_files

    if not model_files.check(stack, folder, checksums=checksums):
        raise typer.Exit(1)


@models_app.command("build")
def build(
    name: Annotated[str, typer.Argument(help="Whose: sandbox, sprites or tasteworld-loras.")],
    output: Annotated[Path, typer.Option(help="Folder for the weights.")] = Path("models"),
    only: Annotated[str | None, typer.Option(help="One part of the sandbox, such as clip.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="A reduced run, to check the code.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Numerical threads.")] = 1,
) -> None:
    """Train the shipped models from scratch; a killed build goes on where it stopped."""
    from persongen_bench.api import models as model_files

    model_files.build(name, output, only, steps, threads)
