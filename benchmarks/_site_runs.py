"""Complete runs of pictures that nobody made: drawn numbers, and pictures of the data with noise.

Shared by `benchmarks/site_build.py` and the tests of the site.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _drawn_scores import export

from persongen_bench.core.images import pixel_hash, png_bytes
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.board import get_board
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import (
    DatasetRef,
    MethodRef,
    RunConfig,
    StackRef,
)
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World

BOARD = "tasteworld"
METRICS = ("true-taste", "taste-gap", "precision@5", "recall@5", "novelty", "copy-rate",
           "diversity", "history-similarity")  # fmt: skip
Kept = list[tuple[Path, str]]
"""Files of pictures, with their hashes."""


def config_of(world: World, label: str, n_images: int, seed: int = 0) -> RunConfig:
    """The run of a method that there is not, on a world of the board `BOARD`."""
    board, split = get_board(BOARD), world.split
    return RunConfig(
        track=board.track, board=board.name, seed=seed, metrics=METRICS, code="drawn",
        n_images=n_images, n_history=board.n_history, created="2026-01-02T03:04:05+00:00",
        dataset=DatasetRef(
            name=world.dataset.name, options=world.ref.options, revision=world.dataset.revision,
            split=split.name, split_seed=split.seed, split_hash=split.hash,
        ),
        method=MethodRef(
            name=label.partition("[")[0], distribution="persongen-bench", version="0.1.0",
            config={}, label=label,
        ),
        stack=StackRef(name=board.stack, signature="drawn"),
    )  # fmt: skip


def keep_pictures(folder: Path, images: Sequence[Image], rng: np.random.Generator) -> Kept:
    """Write every picture with noise of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for k, image in enumerate(images):
        noisy = image + rng.integers(-6, 7, image.shape)
        made = np.clip(noisy, 0, 255).astype(np.uint8)
        path = folder / f"{k:05}.png"
        path.write_bytes(png_bytes(made))
        kept.append((path, pixel_hash(made)))
    return kept


def draw_run(path: Path, config: RunConfig, samples: Sequence[Sample], kept: Kept) -> None:
    """A complete run in ``path``, whose pictures are links to those kept, in turn."""
    run = RunDirectory.create(path, config, samples)
    outcomes = []
    for k, sample in enumerate(samples):
        file, digest = kept[k % len(kept)]
        place = run.output_path(sample.sample_id)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, place)
        outcomes.append(Outcome(sample.sample_id, "ok", digest=digest, pixel_hash=digest))
    run.record(outcomes)
    users = sorted({sample.request.user_id for sample in samples})
    rng = np.random.default_rng([config.seed, *config.method.label.encode()])
    level = rng.uniform(0.2, 0.8)
    values = {name: np.clip(rng.normal(level, 0.1, len(users)), 0, 1) for name in METRICS}
    export(run, users, len(samples), values)
