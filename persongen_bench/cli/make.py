"""`pgbench make`: data that are simulated and written as files. Parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.util.printed import say
from persongen_bench.util.said import LARGEST_SEED

make_app = typer.Typer(no_args_is_help=True, help="Simulated data as files.")


@make_app.command("imagegem")
def imagegem(
    folder: Annotated[Path, typer.Argument(help="New folder for the tables.")],
    preset: Annotated[
        str, typer.Option(help="Size: small, images-1m or models-200k (the paper's subsets).")
    ] = "small",
    users: Annotated[int | None, typer.Option(min=1, help="People.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Images that are not in-house.")] = None,
    models: Annotated[int | None, typer.Option(min=1, help="LoRAs.")] = None,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="Different pairs of user and LoRA.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of everything.")] = 0,
    pictures: Annotated[bool, typer.Option("--pictures", help="Draw every image.")] = False,
    form: Annotated[str, typer.Option("--format", "-f", help="parquet or csv.")] = "parquet",
) -> None:
    """Write a simulated ImageGem: users, images, prompts, LoRAs, tags and feedback."""
    from persongen_bench.api import making

    sizes = {"n_users": users, "n_images": images, "n_models": models, "n_pairs": pairs}
    counts = making.imagegem(folder, preset, sizes, seed, pictures=pictures, form=form)
    for name, n in counts.items():
        say(f"{name:<8} {n:>12,}")


@make_app.command("flickr-aes")
def flickr_aes(
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the data.")],
    users: Annotated[int, typer.Option(min=1, help="Workers who rate.")] = 210,
    ratings: Annotated[int, typer.Option(min=1, help="Ratings.")] = 193_208,
    images: Annotated[int, typer.Option(min=1, help="Pictures, all of them rated.")] = 40_988,
    size: Annotated[int, typer.Option(min=1, help="Pixels a side of a picture.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of everything.")] = 0,
) -> None:
    """Write a simulated FLICKR-AES, of the published size by default."""
    from persongen_bench.api import making

    sizes = {"n_users": users, "n_ratings": ratings, "n_images": images, "size": size, "seed": seed}
    counts = making.flickr_aes(output, sizes)
    for name, n in counts.items():
        say(f"{name:<12} {n:>10,}")
