"""Nearest neighbours in metrics: the float64 products of the package against FAISS's flat indexes.

Run ``OMP_NUM_THREADS=1 python benchmarks/nearest.py``: 2,000 generated against 8,000 reference rows
of 768 dimensions around common topics; a tenth of the generated rows are copies of reference rows,
and some of those are there twice, as in real runs. FAISS searches float32 and exactly (IndexFlatL2,
IndexFlatIP). Three jobs:

- balls: the k-th neighbour of every reference row, and who lies in the balls (``manifold-*``,
  ``density``, ``coverage``);
- copies: the best cosine of an image with the user's training likes (``copy-rate``), and which item
  of the catalogue is nearest (``pgbench audit copies``);
- pool: a user's held-out items ranked for every image (``precision.hit``, ``recall.union``).

Printed are seconds of the processor, their ratio, and how many answers differ. There is no target:
FAISS would be used where no answer differs and it is plainly faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, TypeVar

import faiss
import numpy as np
from jaxtyping import Float

from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._space import unit_rows
from persongen_bench.metrics.pictures._neighbours import nearest_others, squared_distances
from persongen_bench.metrics.risk.copy_rate import THRESHOLD
from persongen_bench.metrics.risk.nearest_panel import nearest
from persongen_bench.metrics.taste._pool import neighbour_order
from persongen_bench.util.batching import blocks

T = TypeVar("T")
USERS, IMAGES, LIKES, POOL = 20, 25, 900, 20
"""Users of the jobs of one user, with the images, training likes and held-out items of each."""


def timed(make: Callable[[], T]) -> tuple[T, float]:
    """The result and the seconds of the processor."""
    start = time.process_time()
    return make(), time.process_time() - start


def drawn(n: int, m: int, dim: int) -> tuple[Embeddings, Embeddings]:
    """Generated ``(n, dim)`` and reference ``(m, dim)`` rows of length one, float64."""
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((40, dim))
    x, y = (rng.standard_normal((rows, 40)) @ topics + rng.standard_normal((rows, dim))
            for rows in (n, m))  # fmt: skip
    y[-(m // 100) :] = y[: m // 100]
    x[: n // 10] = y[: n // 10]
    return unit_rows(x.astype(np.float32)), unit_rows(y.astype(np.float32))


def flat(rows: Embeddings, kind: type = faiss.IndexFlatL2) -> Any:  # noqa: ANN401  # not typed
    """An exact index of float32 rows."""
    index = kind(rows.shape[1])
    index.add(np.asarray(rows, dtype=np.float32))
    return index


def say(job: str, ours: float, theirs: float, answers: str) -> None:
    """One line of the table."""
    print(f"{job:<28} ours {ours:8.3f} s   faiss {theirs:8.3f} s   {ours / theirs:5.2f} times   "
          f"{answers}")  # fmt: skip


def balls(x: Embeddings, y: Embeddings, k: int) -> None:
    """Radii around reference rows, then who lies inside."""
    (squares, _), ours = timed(lambda: nearest_others(y, k))
    (near, _), theirs = timed(lambda: flat(y).search(y.astype(np.float32), k + 1))
    say("k-th neighbours", ours, theirs, f"k = {k}, {len(y)} rows")
    inside, mine = timed(lambda: _inside(x, y, squares[:, -1], squared_distances))
    other, faster = timed(lambda: _inside(x, y, near[:, -1], _by_faiss))
    differ = int((inside != other).sum())
    say("who lies in which ball", mine, faster,
        f"{differ} of {int(inside.sum())} differ; precision {inside.any(axis=1).mean():.4f} "
        f"and {other.any(axis=1).mean():.4f}")  # fmt: skip


def _inside(
    x: Embeddings,
    y: Embeddings,
    radii: Float[np.ndarray, " m"],
    distances: Callable[[Embeddings, Embeddings], Float[np.ndarray, "n m"]],
) -> np.ndarray:
    return np.concatenate([distances(x[part], y) <= radii for part in blocks(len(x), 512)])


def _by_faiss(a: Embeddings, b: Embeddings) -> Float[np.ndarray, "n m"]:
    found: np.ndarray = faiss.pairwise_distances(a.astype(np.float32), b.astype(np.float32))
    return found


def copies(x: Embeddings, items: Embeddings, job: str) -> None:
    """The nearest of the items for the images of some users, and whether it is copied."""
    ids = [str(k) for k in range(len(items))]
    users = [x[part] for part in blocks(len(x), IMAGES)][:USERS]
    mine, ours = timed(lambda: [nearest(images, ids, items) for images in users])
    other, theirs = timed(
        lambda: [flat(items, faiss.IndexFlatIP).search(i.astype(np.float32), 1) for i in users]
    )
    places = np.array([int(near.item_id) for own in mine for near in own])
    cosines = np.array([near.cosine for own in mine for near in own])
    wrong = places != np.concatenate([found[:, 0] for _, found in other])
    by_faiss = np.concatenate([found[:, 0] for found, _ in other])
    called = (cosines >= THRESHOLD) != (by_faiss >= THRESHOLD)
    say(job, ours, theirs, f"{wrong.sum()} items and {called.sum()} copies of {len(places)} differ")


def pool(x: Embeddings, y: Embeddings) -> None:
    """Rankings of small pools."""
    users = [x[part] for part in blocks(len(x), IMAGES)][:USERS]
    pools = [y[part] for part in blocks(len(y), POOL)][: len(users)]
    pairs = list(zip(users, pools, strict=True))
    mine, ours = timed(lambda: [neighbour_order(*pair) for pair in pairs])
    other, theirs = timed(
        lambda: [
            flat(p, faiss.IndexFlatIP).search(i.astype(np.float32), len(p))[1] for i, p in pairs
        ]
    )
    wrong = sum(int((a != b).any(axis=1).sum()) for a, b in zip(mine, other, strict=True))
    say("rankings of a pool", ours, theirs, f"{wrong} of {sum(map(len, mine))} differ")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--m", type=int, default=8_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--k", type=int, default=5)
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    x, y = drawn(options.n, options.m, options.dim)
    print(f"{options.n} generated, {options.m} reference rows of {options.dim} dimensions")
    balls(x, y, options.k)
    copies(x, y[:LIKES], "copies among likes")
    copies(x, y, "nearest of the catalogue")
    pool(x, y)


if __name__ == "__main__":
    main()
