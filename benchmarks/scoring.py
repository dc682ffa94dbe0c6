"""All metrics of a run together, against libraries that are given the same encodings.

Run ``python benchmarks/scoring.py --users 210 --images 25`` for 5,250 images; the default is small.
Every metric that has a number in the sandbox is scored from an empty cache. The peer encodes each
picture once per role as well, and is charged what our side took for it, on the same pixels; so it
is what our side learned from the data (verifier, topics, ranker) and every metric that no library
has. Where there is one it computes the metric from the encodings or pictures: torchmetrics' FID,
and KID at its usual 100 subsets of at most 1,000; LPIPS as torch's squared differences of the
trunk's weighted vectors; pytorch-msssim for SSIM and MS-SSIM, window 11, sigma 1.5, range 255, in
float32 and in blocks of 64 pairs (its own ``ms_ssim`` refuses small sides, so that its parts are
put together here for three scales). Pairwise libraries are timed on some of the people and scaled
up by the number of pairs.

Times are CPU seconds of one thread. Asserted: the values are equal to .1%, KID's for one subset of
all.
Printed: how often each model saw an image (1 at most), both times, and their ratio.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import every_metric, parse_metric, possible
from persongen_bench.core.roles import Variants
from persongen_bench.core.types import Image, content_hash
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.score import unit_values
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.metrics._compared import compared
from persongen_bench.metrics.functions import fid, kid
from persongen_bench.metrics.similarity._ssim import WEIGHTS
from persongen_bench.worlds.tasteworld.attributes import N_SCENES, scene_at
from persongen_bench.worlds.tasteworld.render import render

TARGET = 3.0
"""Least accepted ratio of the times."""
N_HISTORY = 20
SEED = 0
Compare: TypeAlias = Callable[[list[int], list[str]], float]


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


UNWATCHED = ("decoder", "pixel_decoder", "image_encoder", "vit", "llm", "lmm")
"""Roles that no metric looks through."""


class Watched:
    """Counts what every model of a stack is shown, and how long it takes."""

    def __init__(self) -> None:
        self.seen: dict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, model: Any, role: str) -> None:  # noqa: ANN401  # any encoder
        """Put a counter in front of a model."""
        if isinstance(model, Variants):
            opened = {name: model.variant(name) for name in model.variants}
            for name, one in opened.items():
                self.watch(one, f"{role}/{name}")
            vars(model)["variant"] = opened.__getitem__
        inner: Callable[[Sequence[Image]], Any] = model.encode

        def counted(images: Sequence[Image]) -> Any:  # noqa: ANN401  # what the model gives
            self.seen[role].update(pixel_hash(image) for image in images)
            start = time.process_time()
            made = inner(images)
            self.seconds[role] += time.process_time() - start
            return made

        model.encode = counted


def together(seen: Evaluation, metrics: Sequence[Metric], watched: Watched) -> dict[str, float]:
    """Seconds of every metric that has a number, without encoding, all in one evaluation."""
    by_metric = {}
    for metric in metrics:
        before, start = sum(watched.seconds.values()), time.process_time()
        values = unit_values(metric, seen)
        spent = time.process_time() - start
        if values.notna().any():
            by_metric[metric.info.name] = spent - (sum(watched.seconds.values()) - before)
    return by_metric


# --- the libraries ------------------------------------------------------------------------


class Given(nn.Module):
    """What torchmetrics calls with features in place of pictures."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.num_features = size

    def forward(self, features: Tensor) -> Tensor:
        """The same features."""
        return features


def by_torchmetrics(seen: Evaluation, role: str, *, kernel: bool) -> float:
    """CPU seconds of torchmetrics' FID or KID on the encodings; its value must be ours."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

    sets = compared(seen, role)
    fake, real = (torch.from_numpy(np.array(part)) for part in (sets.generated, sets.reference))
    least = min(len(fake), len(real))
    start = time.process_time()
    metric: Any = (
        KernelInceptionDistance(feature=Given(fake.shape[1]), subset_size=min(1000, least))
        if kernel
        else FrechetInceptionDistance(feature=Given(fake.shape[1]))
    )
    metric.update(real, real=True)
    metric.update(fake, real=False)
    found = metric.compute()
    spent = time.process_time() - start
    if kernel:
        first, second = fake[:least].double(), real[:least].double()
        must_equal(kid(first.numpy(), second.numpy()), float(poly_mmd(second, first)), role)
    else:
        must_equal(fid(sets.generated, sets.reference), float(found), role)
    return spent


def must_equal(ours: float, theirs: float, name: str) -> None:
    """End the program where the two sides do not compute the same."""
    if not np.isclose(ours, theirs, rtol=1e-3, atol=1e-5):
        raise SystemExit(f"{name}: {ours} here, {theirs} in the library")


def by_pairs(compare: Compare, seen: Evaluation, target: str, values: pd.Series, n: int) -> float:
    """CPU seconds for all users of a library, measured on ``n``, whose values must be ours.

    ``compare`` takes the rows of a user's images and the ids of the targets, and gives the mean.
    """
    histories = {request.user_id: request.history for request in seen.requests.values()}
    sets = {"history": histories, "held-out": seen.test.liked_items}[target]
    rows = {str(u): list(own) for u, own in seen.samples.groupby("user_id").indices.items()}
    weights = {user: len(own) * len(sets.get(user, ())) for user, own in rows.items()}
    chosen = [user for user, weight in weights.items() if weight][:n]
    spent = 0.0
    for user in chosen:
        start = time.process_time()
        with torch.inference_mode():
            found = compare([int(row) for row in rows[user]], list(sets[user]))
        spent += time.process_time() - start
        must_equal(float(values[user]), found, f"{target} of {user}")
    return spent * sum(weights.values()) / max(1, sum(weights[user] for user in chosen))


def structural(seen: Evaluation, n_scales: int | None) -> Compare:
    """Mean SSIM, or MS-SSIM, of all pairs by pytorch-msssim."""
    ssim_lib = importlib.import_module("pytorch_msssim.ssim")
    window = ssim_lib._fspecial_gauss_1d(11, 1.5).repeat(3, 1, 1, 1)  # noqa: SLF001
    weights = np.array(WEIGHTS[:n_scales]) / sum(WEIGHTS[:n_scales])

    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        terms: tuple[Tensor, Tensor] = ssim_lib._ssim(a, b, 255, window)  # noqa: SLF001
        return terms

    def of_block(a: Tensor, b: Tensor) -> Tensor:
        if n_scales is None:
            return both(a, b)[0].mean(1)
        product = torch.ones(a.shape[:2])
        for k, weight in enumerate(weights):
            whole, contrast = both(a, b)
            product *= torch.relu(whole if k == n_scales - 1 else contrast) ** weight
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        return product.mean(1)

    def mean(rows: list[int], items: list[str]) -> float:
        pictures, targets = seen.images(rows), seen.item_images(items)
        first, second = (torch.from_numpy(np.stack(part)).float() for part in (pictures, targets))
        pairs = torch.cartesian_prod(torch.arange(len(first)), torch.arange(len(second)))
        parts = [of_block(first[part[:, 0]], second[part[:, 1]]) for part in torch.split(pairs, 64)]
        return float(torch.cat(parts).mean())

    return mean


def distances(seen: Evaluation, role: str) -> Compare:
    """Mean LPIPS of all pairs, from the trunk's weighted vectors."""

    def mean(rows: list[int], items: list[str]) -> float:
        images, targets = seen.features(role, rows), seen.item_features(role, items)
        first, second = (torch.from_numpy(np.array(part)) for part in (images, targets))
        return float(torch.stack([(second - one).square().sum(1).mean() for one in first]).mean())

    return mean


def by_library(metric: Metric, seen: Evaluation, n_users: int) -> float | None:
    """CPU seconds of a metric through its library, encodings given; None where there is none."""
    name, _, argument = metric.info.name.partition("@")
    if name in ("fid", "kid"):
        return by_torchmetrics(seen, metric.info.roles[0], kernel=name == "kid")
    target, _, scales = argument.partition(":")
    if name in ("ssim", "ms-ssim") and target in ("history", "held-out"):
        compare = structural(seen, int(scales or 5) if name == "ms-ssim" else None)
    elif name in ("lpips", "lpips-vgg") and target in ("history", "held-out"):
        compare = distances(seen, metric.info.roles[0])
    else:
        return None
    return by_pairs(compare, seen, target, unit_values(metric, seen), n_users)


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
    own = together(seen, metrics, watched)
    metrics = [m for m in metrics if m.info.name in own]
    ours = sum(own.values()) + sum(watched.seconds.values())
    print(f"{len(seen.samples)} images, {len(metrics)} metrics together: {ours:.1f} s")
    most = {role: max(counts.values()) for role, counts in watched.seen.items()}
    for role, counts in sorted(watched.seen.items()):
        shown = sum(counts[digits] for digits in seen.samples["pixel_hash"])
        print(f"  {role}: {shown} of the run's images, each {most[role]} time at most, "
              f"{watched.seconds[role]:.1f} s for {sum(counts.values())} in all")  # fmt: skip
    encoded = sum(watched.seconds.values())
    theirs = encoded
    print(f"  encoding, charged to both sides: {encoded:.1f} s")
    for metric in metrics:
        name = metric.info.name
        library = by_library(metric, seen, n_library)
        theirs += own[name] if library is None else library
        by = "on both sides" if library is None else f"{library:7.2f} s by its library"
        print(f"  {name:<28} {own[name]:7.2f} s {by}")
    ratio = theirs / ours
    print(f"by libraries: {theirs:.1f} s; ratio {ratio:.1f}x (at least {TARGET:g}x is wanted)")
    once = set(most.values()) == {1}
    print("every model saw every image once" if once else f"seen more than once: {most}")
    return 0 if ratio >= TARGET and once else 1


if __name__ == "__main__":
    raise SystemExit(main())
