"""Simulated data, written as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.datasets.flickr_aes_writer import write_flickr_aes
from persongen_bench.datasets.imagegem_writer import write_imagegem
from persongen_bench.util.progress import bars
from persongen_bench.worlds.flickr_aes import FlickrPlan
from persongen_bench.worlds.imagegem_plan import PRESETS


def imagegem(
    folder: Path, preset: str, sizes: Mapping[str, int | None], seed: int, *,
    pictures: bool = False, form: str = "parquet",
) -> dict[str, int]:  # fmt: skip
    """Write a simulated ImageGem into a new folder; returns how many rows each table has.

    Args:
        folder: is made.
        preset: one of ``small``, ``images-1m``, ``models-200k``.
        sizes: fields of `GemPlan` that differ from the preset's; None: does not.
        seed: of everything.
        pictures: whether every image is drawn.
        form: ``parquet`` or ``csv``.

    Raises:
        ConfigError: for an unknown preset or form, numbers that do not go together, or a folder
            that is not empty.
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"no preset is called {preset!r}",
            fix=near_miss(preset, PRESETS, f"Use {', '.join(PRESETS)}."),
        )
    if form not in ("parquet", "csv"):
        raise ConfigError(
            f"no format is called {form!r}",
            fix=near_miss(form, ("parquet", "csv"), "Use parquet or csv."),
        )
    said = {name: size for name, size in sizes.items() if size is not None}
    plan = replace(PRESETS[preset], seed=seed)
    if said:
        plan = replace(plan, n_pairs=0)
    with bars() as progress:
        return write_imagegem(
            folder, replace(plan, **said), form="csv" if form == "csv" else "parquet",
            pictures=pictures, progress=progress,
        )  # fmt: skip


def flickr_aes(folder: Path, sizes: Mapping[str, int]) -> dict[str, int]:
    """Write a simulated FLICKR-AES into a new folder; returns how many there are of each thing.

    Args:
        folder: is made.
        sizes: fields of `FlickrPlan` that differ from the published sizes, and the seed.

    Raises:
        ConfigError: for numbers that do not go together, or a folder that is not empty.
    """
    with bars() as progress:
        return write_flickr_aes(folder, FlickrPlan(**sizes), progress)
