"""Every recommender and every index on generated logs of the size of paper 004's: time and memory.

Run ``python benchmarks/recommenders_at_scale.py [--shape images models] [--scale 1] [--tested
2000]``. Shapes (Table 3): ``images``, 15,917 users and 1,002,796 images of 512 numbers, each of
one user alone, 63 a user; ``models``, 10,364 users, 53,590 models and 205,160 interactions, few
models popular. ``--scale`` makes all of them smaller; ``--only NAME ...`` runs some methods and
indexes, such as ``IVF/64`` (of vectors of 64 numbers).

A user's images are made in sessions: the images of one are near copies around a prompt, prompts
lie around topics that users share, and a user has a style of their own. So the image that is held
out is often a near copy of one in training, as must be so in the real log; recall is printed for
all tested users and for those whose held-out image begins a session (a new prompt). Models belong
to topics that users stay with for a while.

Each method runs in a process of its own, so that its peak memory is its own: the log and its
features (a file that is mapped, not read) included. Users x items are never held. Seconds are those
of the processor, all threads together, which other work on the machine does not lengthen. With
``--folder`` the logs and figures are kept, and a second call makes those that are missing. Target:
every process below 20 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Catalog
from persongen_bench.methods.recommenders.base import Recommender
from persongen_bench.methods.recommenders.features import projected
from persongen_bench.methods.recommenders.log import Log
from persongen_bench.testing.toy import DrawnSource, ToyStack
from persongen_bench.util.batching import blocks
from persongen_bench.util.search import Index, Search, recall, unit

CUTS = (100, 1000, 10_000)
LIMIT = 20.0
ACROSS, TOPICS, FEWEST = 512, 400, 3


class Shape(NamedTuple):
    """Users, items, interactions."""

    users: int
    items: int
    likes: int


SHAPES = {"images": Shape(15_917, 1_002_796, 1_002_796), "models": Shape(10_364, 53_590, 205_160)}

METHODS: Mapping[str, Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "images": {
        "popular": ("popular", {}),
        "item-knn": ("item-knn", {}),
        "user-knn": ("user-knn", {}),
        "ease": ("ease", {}),
        "content-knn": ("content-knn", {}),
        "content-knn, last 10": ("content-knn", {"n_last": 10}),
        "item2vec, printed": ("item2vec", {"init": "features", "n_epochs": 2, "n_contexts": 1}),
        "two-tower": ("two-tower", {"n_epochs": 2}),
        "two-tower, printed": ("two-tower", {"items": "ids", "n_epochs": 2}),
        "sasrec, features": (
            "sasrec",
            {"items": "features", "n_epochs": 3, "n_negatives": 1024, "n_last": 20},
        ),
    },
    "models": {
        "popular": ("popular", {}),
        "item-knn": ("item-knn", {}),
        "user-knn": ("user-knn", {}),
        "ease": ("ease", {}),
        "content-knn": ("content-knn", {}),
        "item2vec": ("item2vec", {}),
        "two-tower": ("two-tower", {"n_epochs": 5}),
        "two-tower, ids": ("two-tower", {"items": "ids", "init": "random", "n_epochs": 5}),
        "sasrec": ("sasrec", {"n_epochs": 10, "n_negatives": 1024, "n_last": 20}),
    },
}
INDEXES: Mapping[str, Mapping[str, object]] = {
    "exact": {},
    "exact, fp16": {"storage": "float16"},
    "exact, SQ8": {"storage": "int8"},
    "IVF": {"kind": "ivf", "nprobe": 32},
    "IVF, SQ8": {"kind": "ivf", "storage": "int8", "nprobe": 32},
    "HNSW": {"kind": "hnsw", "m": 16, "ef_construction": 40, "ef": 1000},
}


# --- the logs ------------------------------------------------------------------------------


def generate(name: str, shape: Shape, folder: Path, seed: int = 0) -> None:
    """Write ``item.npy``, ``start.npy`` (likes by user), ``new.npy`` and ``features.npy``."""
    rng = np.random.default_rng(seed)
    counts = drawn_counts(shape.users, shape.likes, rng)
    start = np.concatenate([[0], np.cumsum(counts)])
    make = images if name == "images" else models
    item, new = make(shape, start, folder / "features.npy", rng)
    for key, array in (("item", item), ("start", start), ("new", new)):
        np.save(folder / f"{key}.npy", array)


def drawn_counts(users: int, likes: int, rng: np.random.Generator) -> np.ndarray:
    """Likes of every user, skewed, at least `FEWEST`, summing to ``likes``."""
    weights = rng.lognormal(sigma=1.1, size=users)
    extra = likes - FEWEST * users
    share = np.floor(weights / weights.sum() * extra).astype(np.int64)
    share[np.argsort(-weights)[: extra - share.sum()]] += 1
    return np.asarray(share + FEWEST)


def directions(n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit rows."""
    return unit(rng.standard_normal((n, ACROSS), dtype=np.float32))


def images(
    shape: Shape, start: np.ndarray, file: Path, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Every image once, in an order of the catalogue that says nothing; and where prompts begin."""
    item = rng.permutation(shape.items)
    new = rng.random(shape.items) < 1 / 6
    new[start[:-1]] = True
    prompt = np.cumsum(new) - 1
    user = np.repeat(np.arange(shape.users), np.diff(start))
    topics, style = directions(TOPICS, rng), directions(shape.users, rng)
    likes = rng.integers(TOPICS, size=(shape.users, 5))
    topic = likes[user[new], rng.integers(5, size=int(new.sum()))]
    centre = topics[topic] + 0.7 * style[user[new]] + 0.9 * directions(len(topic), rng)
    out = np.lib.format.open_memmap(file, "w+", dtype=np.float32, shape=(shape.items, ACROSS))
    for part in blocks(shape.items, 2**15):
        around = directions(part.stop - part.start, rng)
        out[item[part]] = unit(centre[prompt[part]] + 0.6 * around)
    out.flush()
    return item, new


def models(
    shape: Shape, start: np.ndarray, file: Path, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Models of topics, popular by Zipf's law; users stay with a topic for a while."""
    n_topics = min(TOPICS, max(2, shape.items // 20))
    topic = rng.integers(n_topics, size=shape.items)
    weights = 1 / np.arange(1, shape.items + 1) ** 0.8
    order = np.argsort(topic, kind="stable")
    first = np.searchsorted(topic[order], np.arange(n_topics + 1))
    sums = np.cumsum(weights[order])
    item, new = np.empty(start[-1], dtype=np.int64), np.empty(start[-1], dtype=bool)
    for user in range(shape.users):
        own = chosen(int(start[user + 1] - start[user]), (order, first, sums), rng)
        item[start[user] : start[user + 1]] = own
        new[start[user] : start[user + 1]] = np.append(True, np.diff(topic[own]) != 0)
    centres = directions(n_topics, rng)
    np.save(file, unit(centres[topic] + 1.2 * directions(shape.items, rng)))
    return item, new


def chosen(
    n: int, table: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """``n`` models, none twice, topic after topic."""
    order, first, sums = table
    taken: dict[int, None] = {}
    while len(taken) < n:
        topic = int(rng.integers(len(first) - 1))
        low, high = first[topic], first[topic + 1]
        if low == high:
            continue
        base = sums[low - 1] if low else 0.0
        at = np.searchsorted(sums, base + rng.random(rng.integers(1, 8)) * (sums[high - 1] - base))
        taken.update(dict.fromkeys(order[np.minimum(at, high - 1)].tolist()))
    return np.array(list(taken)[:n])


class World(NamedTuple):
    """A log without its last likes, and those."""

    train: View
    held: np.ndarray
    """Position of the last like of every user."""
    new: np.ndarray
    """Whether it begins a session."""
    features: np.ndarray


def read(folder: Path) -> World:
    """What `generate` wrote, the last like of every user put away."""
    item, start, new = (np.load(folder / f"{n}.npy") for n in ("item", "start", "new"))
    features = np.load(folder / "features.npy", mmap_mode="r")
    user = np.repeat(np.arange(len(start) - 1), np.diff(start))
    kept = np.ones(len(item), dtype=bool)
    kept[start[1:] - 1] = False
    names = np.array([f"i{k:07d}" for k in range(len(features))])
    people = np.array([f"u{k:05d}" for k in range(len(start) - 1)])
    table = pd.DataFrame({"user_id": people[user[kept]], "item_id": names[item[kept]]})
    table["rating"], table["liked"] = 5.0, True
    table["timestamp"] = np.flatnonzero(kept).astype(float)
    catalog = Catalog(pd.DataFrame(index=pd.Index(names, name="item_id")), DrawnSource())
    last = start[1:] - 1
    return World(View(catalog, table), item[last], new[last], features)


# --- methods and indexes ---------------------------------------------------------------------


def run_method(world: World, case: tuple[str, Mapping[str, object]], tested: int) -> dict[str, Any]:
    """Fit, rank for the tested users, count."""
    cls = registry.get("methods", case[0])
    method: Recommender = cls(cls.Config.model_validate(case[1]))
    context = FitContext(ToyStack(), 0, lambda *_: world.features)
    Log.of(world.train)  # the order of the view is made once, for every method
    start = time.process_time()
    method.fit(world.train, context)
    fitted = time.process_time()
    rows = np.random.default_rng(1).permutation(len(world.held))[:tested]
    depth = min(max(CUTS), len(world.features))
    places = np.full(len(rows), np.inf)
    for part in blocks(len(rows), 64):
        lists = method.rank([method.basket(int(row)) for row in rows[part]], depth)
        for k, (row, (positions, _)) in enumerate(zip(rows[part], lists, strict=True), part.start):
            at = np.flatnonzero(positions == world.held[row])
            places[k] = at[0] if len(at) else np.inf
    return {
        "fit": fitted - start,
        "search": time.process_time() - fitted,
        "tested": len(rows),
        "recall": [float((places < cut).mean()) for cut in CUTS],
        "new": [float((places < cut)[world.new[rows]].mean()) for cut in CUTS],
        "memory": peak(),
    }


def run_index(world: World, case: tuple[int, Mapping[str, object]], tested: int) -> dict[str, Any]:
    """Build over features of ``case[0]`` numbers, search means of likes, compare with exact."""
    vectors = projected(world.features, case[0] if case[0] < ACROSS else None)
    log = Log.of(world.train)
    rows = np.random.default_rng(1).permutation(len(log.users))[: min(tested, 200)]
    queries = np.array([vectors[log.liked[int(row)]].mean(axis=0) for row in rows])
    k = min(1000, len(vectors))
    exact = Index(vectors).search(queries, k)
    start = time.process_time()
    index = Index(vectors, Search.model_validate(case[1]))
    built = time.process_time()
    hits = index.search(queries, k)
    return {
        "fit": built - start,
        "search": 1000 * (time.process_time() - built) / len(rows),
        "recall": recall(hits, exact),
        "memory": peak(),
    }


def peak() -> float:
    """GiB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def one(kind: str, shape: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one case in a process of its own, unless the folder has its figures already."""
    kept = Path(options.folder) / shape / f"{name.replace('/', ' of ')}.json"
    if kept.exists():
        earlier: dict[str, Any] = json.loads(kept.read_text())
        return earlier
    command = [sys.executable, __file__, "--case", kind, shape, name, "--folder", options.folder]
    command += ["--tested", str(options.tested)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{shape} {name}: {done.stderr}")
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    kept.write_text(json.dumps(made))
    return made


def inside(options: argparse.Namespace) -> None:
    """What the process of one case does."""
    kind, shape, name = options.case
    world = read(Path(options.folder) / shape)
    if kind == "method":
        print(json.dumps(run_method(world, METHODS[shape][name], options.tested)))
        return
    index, _, size = name.rpartition("/")
    print(json.dumps(run_index(world, (int(size), INDEXES[index]), options.tested)))


def table(shape: str, sizes: Shape, options: argparse.Namespace) -> float:
    """Generate, run all and print; the largest memory."""
    folder = Path(options.folder) / shape
    folder.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    if not (folder / "new.npy").exists():
        generate(shape, sizes, folder)
    print(f"{shape}: {sizes.users:,} users, {sizes.items:,} items, {sizes.likes:,} likes "
          f"(generated in {time.process_time() - start:.0f} s)", flush=True)  # fmt: skip
    most = 0.0
    for name in METHODS[shape]:
        if options.only and name not in options.only:
            continue
        made = one("method", shape, name, options)
        most = max(most, made["memory"])
        shares = [" ".join(f"{v:.4f}" for v in made[key]) for key in ("recall", "new")]
        print(f"{name:<22} fit {made['fit']:7.1f} s  search {made['search']:7.1f} s of "
              f"{made['tested']} users  {made['memory']:5.1f} GiB  recall@{CUTS} {shares[0]}  "
              f"new prompt {shares[1]}", flush=True)  # fmt: skip
    for name in [f"{index}/{d}" for d in options.dims for index in INDEXES]:
        chosen_here = name in options.only if options.only else name not in options.without
        if shape == "models" or not chosen_here:
            continue
        made = one("index", shape, name, options)
        most = max(most, made["memory"])
        print(f"{name:<22} built {made['fit']:7.1f} s  {made['search']:7.1f} ms a query  "
              f"{made['memory']:5.1f} GiB  of exact@1000 {made['recall']:.4f}",
              flush=True)  # fmt: skip
    return most


def main() -> int:
    """Print a table for each shape; 1 where the memory is above the target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--tested", type=int, default=2000)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--dims", nargs="*", type=int, default=[64, ACROSS])
    parser.add_argument("--without", nargs="*", default=[f"HNSW/{ACROSS}"])
    parser.add_argument("--folder", default="")
    parser.add_argument("--case", nargs=3, default=None)
    options = parser.parse_args()
    if options.case:
        inside(options)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        options.folder = options.folder or scratch
        memory = []
        for name in options.shape:
            sizes = Shape(*(max(1, round(options.scale * n)) for n in SHAPES[name]))
            memory.append(table(name, sizes, options))
    met = "met" if max(memory) < LIMIT else "missed"
    print(f"at most {max(memory):.1f} GiB; target {LIMIT:.0f}: {met}")
    return int(met == "missed")


if __name__ == "__main__":
    raise SystemExit(main())
