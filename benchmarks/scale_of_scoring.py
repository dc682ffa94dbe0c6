"""Score the features of many users' images: CPU seconds and peak memory, by how many there are.

    python benchmarks/scale_of_scoring.py [--users 15917] [--images 10 25] [--size 64]
    python benchmarks/scale_of_scoring.py --pictures --users 25 --images 10 20 40

Everybody has a history of 20 and a held-out pool of 20 items out of 40,000. Scored are the metrics
of the board flickr-aes that look at features, each with its interval, and both permutation tests.
Each number of images is a process of its own, so that the peak is its own. Time beyond the smallest
grows as images do. With ``--pictures`` the images are drawn, and scored from an empty cache by what
looks at pixels or through encoders in the sandbox: the items' encodings are then the same at each
size.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from persongen_bench import stats
from persongen_bench.core.dataset import View
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.request import Request
from persongen_bench.core.types import Catalog, Embeddings, Image
from persongen_bench.loop import score, tested
from persongen_bench.loop.evaluation import Evaluation

METRICS = (
    "taste-gap", "precision@10", "recall@10", "novelty", "diversity", "history-similarity",
)  # fmt: skip
OF_PICTURES = (
    "ssim@history", "ms-ssim@history:3", "lpips-vgg@history", "lpips-diversity", "cis@history",
    "dis@history", "fid@clean", "true-taste", "legibility",
)  # fmt: skip
N_ITEMS = 40_000
N_RATED = 20
"""Items in every history, and in every pool."""


class Pictureless:
    """A source without pictures: everything here looks at features."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """Never asked for."""
        raise NotImplementedError(f"{len(rows)} pictures were asked for")


class Generated(Evaluation):
    """An evaluation whose features are normal numbers, as float32."""

    size: int = 64
    taste_signature = None

    @cached_property
    def views(self) -> tuple[View, View]:
        """Training and held-out ratings."""
        return _view(self.users, 0), _view(self.users, 1)

    @property
    def train(self) -> View:
        """The training view."""
        return self.views[0]

    @property
    def test(self) -> View:
        """The held-out view."""
        return self.views[1]

    @cached_property
    def _items(self) -> Embeddings:
        rng = np.random.default_rng(1)
        return rng.standard_normal((N_ITEMS, self.size), dtype=np.float32)

    def features(self, role: str, rows: Sequence[int] | np.ndarray | None = None) -> Embeddings:
        """Of the images."""
        every = self.memo(f"features {role}", self._drawn)
        return every if rows is None else every[np.asarray(rows)]

    def _drawn(self) -> Embeddings:
        rng = np.random.default_rng(2)
        return rng.standard_normal((len(self.samples), self.size), dtype=np.float32)

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """Of items."""
        del role
        return np.asarray(self._items[[int(item) for item in item_ids]])

    def encoder_signature(self, role: str) -> str:
        """Says that nothing was encoded."""
        return f"{role}:normal"


def _view(users: Sequence[str], part: int) -> View:
    rng = np.random.default_rng(3 + part)
    items = rng.integers(0, N_ITEMS // 2, (len(users), N_RATED)) * 2 + part
    items += 2 * np.arange(N_RATED)  # of one parity, so that no pool holds a history
    likes = rng.random(items.shape) < 0.5
    rows = pd.DataFrame(
        {
            "user_id": np.repeat(np.array(users, dtype=object), N_RATED),
            "item_id": (items % N_ITEMS).ravel().astype(str),
            "rating": likes.ravel() * 1.0,
            "liked": likes.ravel(),
            "timestamp": np.nan,
        }
    ).drop_duplicates(["user_id", "item_id"])
    return View(Catalog(pd.DataFrame(index=[str(k) for k in range(N_ITEMS)]), Pictureless()), rows)


def evaluation(n_users: int, n_images: int, size: int) -> Generated:
    """Everybody asks once for ``n_images``."""
    users = [f"user-{k:05d}" for k in range(n_users)]
    history = _view(users, 0).liked_items
    asked = {user: Request(user, history=history[user]) for user in users}
    owners = np.repeat(np.array(users, dtype=object), n_images)
    ids = [f"{k:012x}" for k in range(len(owners))]
    index = np.tile(np.arange(n_images), n_users)
    samples = pd.DataFrame(
        {"sample_id": ids, "user_id": owners, "index": index, "state": "ok", "pixel_hash": ids}
    )
    requests = {sample: asked[user] for sample, user in zip(ids, owners, strict=True)}
    world: Any = None
    made = Generated(world, samples, requests, lambda _sample, _digits: np.zeros((3, 1, 1)))
    made.size = size
    return made


def of_features(n_users: int, n_images: int, size: int) -> None:
    """Score once and print a line."""
    said = f"{n_users} users x {n_images} images of {size}"
    run(evaluation(n_users, n_images, size), METRICS, said)


def of_pictures(n_users: int, n_images: int) -> None:
    """The same for drawn pictures of people of tasteworld."""
    import scoring
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PGBENCH_CACHE"] = cache
        made = scoring.evaluation(scoring.world(n_users), n_images)
        run(made, OF_PICTURES, f"{n_users} users x {n_images} pictures")


def run(made: Evaluation, names: Sequence[str], said: str) -> None:
    """Score by these metrics, test by those that can, and print a line."""
    metrics = [parse_metric(name) for name in names]
    started, parts = time.process_time(), []
    for metric in metrics:
        before = time.process_time()
        values = score.unit_values(metric, made).to_numpy(dtype=np.float64)
        stats.interval(values, np.random.default_rng(0))
        parts.append(f"{metric.info.name} {time.process_time() - before:.1f}")
    before = time.process_time()
    tests = tested.permutation_tests(made, metrics, np.random.default_rng(0))
    parts.append(f"permutation {time.process_time() - before:.1f}")
    took = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found = "".join(f", {name} {test.p_value:.3f}" for name, test in tests.items())
    print(f"{said}: {took:.1f} CPU s, peak {peak:.2f} GiB{found} ({', '.join(parts)})", flush=True)


def main() -> None:
    """Each number of images in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=15_917)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 25])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--pictures", action="store_true")
    given = parser.parse_args()
    if len(given.images) == 1 and given.pictures:
        of_pictures(given.users, given.images[0])
        return
    if len(given.images) == 1:
        of_features(given.users, given.images[0], given.size)
        return
    for n_images in given.images:
        sizes = ["--users", str(given.users), "--images", str(n_images), "--size", str(given.size)]
        sizes += ["--pictures"] if given.pictures else []
        subprocess.run([sys.executable, __file__, *sizes], check=True)  # noqa: S603  # this file


if __name__ == "__main__":
    main()
