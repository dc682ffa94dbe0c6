"""Writes a simulated FLICKR-AES in the layout of the published files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.datasets.flickr_aes_files import (
    IMAGES,
    RATINGS,
    SCORES,
    SIMULATED,
    TEST_WORKERS,
)
from persongen_bench.util.batching import blocks
from persongen_bench.util.files import usable_folder
from persongen_bench.worlds.flickr_aes import FlickrPlan, FlickrWorld, make_world
from persongen_bench.worlds.imagegem_images import mixed
from persongen_bench.worlds.tasteworld.render import render

QUALITY = 90
"""Of the JPEGs, as PIL counts it."""
TEXT = """Simulated by `pgbench make flickr-aes`, in the layout of FLICKR-AES (Ren et al. 2017).
Workers, ratings and pictures are made up; nothing here is of the published data.
"""
_WORKERS, _FILES = 1, 2
_BLOCK = 256
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def write_flickr_aes(
    folder: Path, plan: FlickrPlan, progress: Progress = no_progress
) -> dict[str, int]:
    """Write ratings, pictures, mean scores and the list of test workers into a new folder.

    The same plan gives the same files, byte for byte, with one version of PIL. Returns how many
    there are of each. Raises `ConfigError` where the folder holds something already.
    """
    usable_folder(folder, "the folder of the data", "Name another one.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty", fix="Name a new folder.")
    (folder / IMAGES).mkdir(parents=True)
    world = make_world(plan)
    workers, names = worker_ids(plan), file_names(plan)
    (folder / SIMULATED).write_text(TEXT, encoding="utf-8")
    _write_tables(folder, world, workers, names)
    for part in progress(blocks(plan.n_images, _BLOCK), "pictures"):
        _draw(folder / IMAGES, world, part, names)
    return {
        "workers": plan.n_users, "test workers": plan.n_testers, "images": plan.n_images,
        "ratings": plan.n_ratings,
    }  # fmt: skip


def worker_ids(plan: FlickrPlan) -> list[str]:
    """Ids such as ``A2BHHEWR9PRDX``, the test workers' first; nobody has them."""
    bits = mixed(np.arange(plan.n_users), 16 * plan.seed + _WORKERS).tolist()
    return [f"A{_base36(value)}" for value in bits]


def file_names(plan: FlickrPlan) -> list[str]:
    """Names such as ``farm1_176_396297967_94dae8ad97.jpg``."""
    bits = mixed(np.arange(2 * plan.n_images), 16 * plan.seed + _FILES).reshape(-1, 2).tolist()
    return [
        f"farm{1 + a % 9}_{1 + a // 9 % 9999}_{10**8 + a // 10**5 % 10**9}_{b >> 24:010x}.jpg"
        for a, b in bits
    ]


def _base36(value: int, n: int = 12) -> str:
    """The lowest ``n`` digits."""
    return "".join(_LETTERS[value // 36**place % 36] for place in range(n))


def _write_tables(
    folder: Path, world: FlickrWorld, workers: Sequence[str], names: Sequence[str]
) -> None:
    """With the blanks of the published files."""
    rows = zip(world.user.tolist(), world.image.tolist(), world.score.tolist(), strict=True)
    lines = [f"{workers[user]}, {names[image]}, {score}" for user, image, score in rows]
    _write_lines(folder / RATINGS, ["worker, imagePair, score", *lines])
    scores = zip(names, world.mean_score.tolist(), strict=True)
    _write_lines(folder / SCORES, [f"{name} {score:.4f}" for name, score in scores])
    _write_lines(folder / TEST_WORKERS, ["ID", *workers[: world.plan.n_testers]])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw(folder: Path, world: FlickrWorld, part: slice, names: Sequence[str]) -> None:
    pictures = render(world.scenes[part], world.seeds[part])
    for name, picture in zip(names[part], pictures, strict=True):
        sized = images.resize(picture, world.plan.size)
        buffer = io.BytesIO()
        images.to_pil(sized).save(buffer, format="JPEG", quality=QUALITY)
        (folder / name).write_bytes(buffer.getvalue())
