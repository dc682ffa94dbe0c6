"""`pgbench experiment rank-one | layers`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from persongen_bench.cli import options
from persongen_bench.util.files import usable_folder

if TYPE_CHECKING:
    from persongen_bench.api.lora_experiments import Experiment

experiment_app = typer.Typer(no_args_is_help=True, help="Small experiments of the papers.")

Models: TypeAlias = tuple[Path | None, str, dict[str, Any], Path | None, int | None]
"""Folder of files; else data set, its options, its folder, most of its models."""
Loras = Annotated[Path | None, typer.Option(help="Folder of LoRA files; default: the data set's.")]
Prompts = Annotated[list[str] | None, typer.Option("--prompt", help="Repeatable. [default: empty]")]
Pictures = Annotated[int, typer.Option(min=1, max=1000, help="Pictures per prompt.")]
Most = Annotated[int | None, typer.Option(min=1, help="Models of the data set, evenly chosen.")]
Output = Annotated[Path, typer.Option(help="Folder of the table and the pictures.")]


@experiment_app.command("rank-one")
def rank_one(
    loras: Loras = None,
    dataset: options.Dataset = "tasteworld-models",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    stack: Annotated[str, typer.Option(help="Frozen models.")] = "sandbox",
    prompt: Prompts = None,
    pictures: Pictures = 4,
    most: Most = None,
    output: Output = Path("rank-one"),
) -> None:
    """How much of a LoRA its nearest change of rank 1 keeps (ImageGem, Table 9)."""
    models = (loras, dataset, options.pairs(data_option), data, most)
    _perform("rank-one", models, stack, (tuple(prompt or [""]), pictures), output)


@experiment_app.command("layers")
def layers(
    loras: Loras = None,
    dataset: options.Dataset = "tasteworld-models",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    stack: Annotated[str, typer.Option(help="Frozen models.")] = "sandbox",
    prompt: Prompts = None,
    pictures: Pictures = 4,
    most: Most = None,
    output: Output = Path("layers"),
) -> None:
    """Which group of layers carries how much of a LoRA (ImageGem, Table 10)."""
    models = (loras, dataset, options.pairs(data_option), data, most)
    _perform("layers", models, stack, (tuple(prompt or [""]), pictures), output)


def _perform(
    name: Experiment, models: Models, stack: str, asked: tuple[tuple[str, ...], int], output: Path
) -> None:
    from rich.table import Table

    from persongen_bench.api import lora_experiments
    from persongen_bench.cli.screen import width
    from persongen_bench.core import registry
    from persongen_bench.core.plain import plain
    from persongen_bench.stacks.with_lora import base_of
    from persongen_bench.util.printed import console
    from persongen_bench.util.progress import bars

    usable_folder(output, "the folder of the experiment", "Name another one (--output).")
    loras, dataset, data_options, data, most = models
    opened = registry.get("stacks", stack)()
    found = (
        lora_experiments.lora_models_of(dataset, data_options, data, most)
        if loras is None
        else lora_experiments.lora_files_in(loras, base_of(opened))
    )
    with bars() as progress:
        draw = lora_experiments.Draw(*asked)
        report = lora_experiments.experiment(name, found, opened, draw, progress)
    table = Table("variant", "models", "to base", "sd", "95%", "to full")
    for row in report.table.to_dict("records"):
        table.add_row(
            str(row["variant"]), str(row["models"]), f"{row['to_base']:.4f}", f"{row['sd']:.4f}",
            f"{row['low']:.4f} to {row['high']:.4f}", f"{row['to_full']:.4f}",
        )  # fmt: skip
    screen = console(width())
    screen.print(table)
    screen.print(f"cosines of pictures in clip; {plain(str(report.save(output)))}")
