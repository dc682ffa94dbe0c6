"""All metrics of a run together, against libraries that are given the same encodings.

Run ``python benchmarks/scoring.py --users 210 --images 25`` for 5,250 images; the default is small.
Every metric that has a number in the sandbox is scored from an empty cache. The peer encodes each
picture once per role as well, and is charged what our side took for it, on the same pixels; so it
is what our side learned from the data (verifier, topics, ranker) and every metric that no library
has. It opens each picture once. Where there is a library it computes the metric from the encodings
or pictures (`_scoring_peers`).

Times are CPU seconds of one thread, each spent on one thing: on opening pictures, on encoding by a
role, or else on the metric. Hashes that are taken to count are nobody's. Asserted: the values are
equal to .1%. Printed: how often each model saw an image (1 at most), both times, and their ratio,
for all metrics and for those that have a library, encoding and opening apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from _scoring_peers import by_library

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import every_metric, parse_metric, possible
from persongen_bench.core.roles import Variants
from persongen_bench.core.types import Image, content_hash
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.score import unit_values
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.worlds.tasteworld.attributes import N_SCENES, scene_at
from persongen_bench.worlds.tasteworld.render import render

TARGET = 3.0
"""Least accepted ratio of the times."""
N_HISTORY = 20
SEED = 0
OPENING, HASHING = "opening pictures", "hashing for the count"
UNWATCHED = ("decoder", "pixel_decoder", "image_encoder", "vit", "llm", "lmm")
"""Roles that no metric looks through."""


def world(n_users: int) -> World:
    """People of tasteworld with about two hundred ratings each."""
    options = {
        "n_panel": n_users, "n_cold": 0, "n_users": n_users, "n_items": 4000,
        "n_ratings": 200 * n_users + 1000,
    }  # fmt: skip
    return load_world(WorldRef("tasteworld", "sandbox", options))


def evaluation(shared: World, n_images: int) -> Evaluation:
    """Random pictures, every one another, as if a method had made them."""
    rng = np.random.default_rng(SEED)
    requests = shared.requests("prompt-free", n_images, N_HISTORY)
    n = len(requests) * n_images
    scenes = scene_at(rng.integers(0, N_SCENES, n))
    drawn = render(scenes, rng.integers(0, 2**63, n, dtype=np.uint64))
    pictures = {pixel_hash(image): image for image in drawn}
    if len(pictures) != n:
        raise SystemExit("two pictures are the same")
    rows, asked = [], {}
    for place, digits in enumerate(pictures):
        request, k = requests[place // n_images], place % n_images
        sample = content_hash(request.key(), k)
        rows.append((sample, request.user_id, k, "ok", digits))
        asked[sample] = request
    columns = ["sample_id", "user_id", "index", "state", "pixel_hash"]
    table = pd.DataFrame(rows, columns=columns)
    return Evaluation(shared, table, asked, lambda _, digits: pictures[digits])


class Watched:
    """Counts what every model is shown and what is opened; says what the time was spent on."""

    def __init__(self) -> None:
        self.seen: dict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._now: list[str] = []
        self._since = 0.0

    @contextmanager
    def charge(self, what: str) -> Iterator[None]:
        """Charge the CPU seconds of the block, but for blocks within, to ``what``."""
        self._turn()
        self._now.append(what)
        try:
            yield
        finally:
            self._turn()
            self._now.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self._now:
            self.seconds[self._now[-1]] += now - self._since
        self._since = now

    def watch(self, model: Any, role: str) -> None:  # noqa: ANN401  # any encoder
        """Put a counter in front of a model."""
        if isinstance(model, Variants):
            opened = {name: model.variant(name) for name in model.variants}
            for name, one in opened.items():
                self.watch(one, f"{role}/{name}")
            vars(model)["variant"] = opened.__getitem__
        inner: Callable[[Sequence[Image]], Any] = model.encode

        def counted(images: Sequence[Image]) -> Any:  # noqa: ANN401  # what the model gives
            with self.charge(HASHING):
                self.seen[role].update(pixel_hash(image) for image in images)
            with self.charge(role):
                return inner(images)

        model.encode = counted

    def watch_source(self, source: Any) -> None:  # noqa: ANN401  # a source of pictures
        """Put a counter in front of what opens a catalogue's pictures."""
        inner: Callable[[pd.DataFrame], list[Image]] = source.open

        def counted(rows: pd.DataFrame) -> list[Image]:
            self.seen[OPENING].update(map(str, rows.index))
            with self.charge(OPENING):
                return inner(rows)

        source.open = counted

    @property
    def encoding(self) -> float:
        """Seconds of all roles."""
        return sum(self.seconds[role] for role in self.seen if role != OPENING)


def together(seen: Evaluation, metrics: Sequence[Metric], watched: Watched) -> list[Metric]:
    """Those that have a number, all in one evaluation; what they took is in ``watched``."""
    found = []
    for metric in metrics:
        with watched.charge(metric.info.name):
            values = unit_values(metric, seen)
        if values.notna().any():
            found.append(metric)
    return found


def main() -> int:
    """Measure both ways, print, and say whether the ratio holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--library-users", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PGBENCH_CACHE"] = cache
        return compare_both(arguments.users, arguments.images, arguments.library_users)


def compare_both(n_users: int, n_images: int, n_library: int) -> int:
    """The benchmark in an empty cache; 0 where the ratio reaches `TARGET`."""
    seen = evaluation(world(n_users), n_images)
    stack, watched = seen.world.stack, Watched()
    metrics = [parse_metric(m) for m in every_metric() if possible(m, stack, known_taste=True)]
    for role in stack.roles:
        if role not in UNWATCHED and not hasattr(stack.role(role), "base"):
            watched.watch(stack.role(role), role)
    watched.watch_source(seen.world.dataset.catalog.source)
    metrics = together(seen, metrics, watched)
    seconds = dict(watched.seconds)
    opened, encoding = watched.seen.pop(OPENING), watched.encoding
    once = seconds[OPENING] * len(opened) / opened.total()
    print(f"{len(seen.samples)} images, {len(metrics)} metrics")
    most = {role: max(counts.values()) for role, counts in watched.seen.items()}
    for role, counts in sorted(watched.seen.items()):
        shown = sum(counts[digits] for digits in seen.samples["pixel_hash"])
        print(f"  {role}: {shown} of the run's images, each {most[role]} time at most, "
              f"{seconds[role]:.1f} s for {counts.total()} in all")  # fmt: skip
    print(f"  encoding, on both sides: {encoding:.1f} s")
    print(
        f"  opening pictures of items: {seconds[OPENING]:.1f} s; each once, the peer: {once:.1f} s"
    )
    alone: dict[bool, list[float]] = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for metric in metrics:
        own, library = seconds[metric.info.name], by_library(metric, seen, n_library)
        both = alone[library is not None]
        both[0] += own
        both[1] += own if library is None else library
        by = "on both sides" if library is None else f"{library:7.2f} s by its library"
        print(f"  {metric.info.name:<28} {own:7.2f} s {by}")
    ours = encoding + seconds[OPENING] + alone[True][0] + alone[False][0]
    theirs = encoding + once + alone[True][1] + alone[False][1]
    print(f"metrics with a library: {alone[True][0]:.1f} s, by it {alone[True][1]:.1f} s; "
          f"ratio {alone[True][1] / alone[True][0]:.1f}x")  # fmt: skip
    print(f"all: {ours:.1f} s, by libraries {theirs:.1f} s; "
          f"ratio {theirs / ours:.1f}x (at least {TARGET:g}x is wanted)")  # fmt: skip
    single = set(most.values()) == {1}
    print("every model saw every image once" if single else f"seen more than once: {most}")
    return 0 if theirs / ours >= TARGET and single else 1


if __name__ == "__main__":
    raise SystemExit(main())
