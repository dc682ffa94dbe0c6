"""A small known-taste world with every anchor on it, for the controls that need real images."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pandas as pd

from persongen_bench.leaderboards.board import get_board
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import World, WorldRef, load_world

METHODS = ("copy-history", "random-item", "nearest-item", "mean-embedding", "oracle")


def small_world(seed: int, n_items: int = 2000) -> World:
    """The controlled world with fewer pictures."""
    options = {"n_images": n_items, "seed": seed}
    return load_world(WorldRef(dataset="dsprites", stack="sprites", options=options))


@functools.cache
def shared_scores(seed: int) -> pd.DataFrame:
    """`anchored_scores` of a fresh world, run once for all the controls that look at it."""
    return anchored_scores(seed)


def anchored_scores(seed: int, world: World | None = None) -> pd.DataFrame:
    """Mean of every metric of the controlled board (columns) for every method (rows)."""
    board = get_board("controlled")
    protocol = Terms(board.name, board.track, board.metrics, board.n_images, board.n_history)
    shared = world or small_world(seed)
    means = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in METHODS:
            results = run(Job(shared, protocol, MethodChoice(name), seed), Path(folder))
            means[name] = {m: s.mean for m, s in results.summary.metrics.items()}
    return pd.DataFrame(means).T.astype(float)
