"""All metrics of a run together, against the same metrics one by one.

Run ``python benchmarks/scoring.py`` on an idle machine: 210 people with 25 images each (5,250),
scored through the sandbox stack from an empty cache by every metric that has a number there. Then
the other way: torchmetrics for FID and KID (with the same network as feature extractor), the lpips
package on the same trunk, pytorch-msssim for SSIM and MS-SSIM, each on the same pairs and pictures;
and for every other metric our own formula after encoding the pictures it needs for itself, as
separate evaluation scripts do. What our metrics learn from the data (verifier, topics, ranker) is
charged once, to our side. Encoding is timed per image in the first part and charged to every
metric of the second that needs it; the pairwise libraries are timed on some of the people and
scaled up by the number of pairs.

Printed: how often each model saw an image (1 at most), both times, and their ratio.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.metric import Metric
from persongen_bench.core.metric_cards import every_metric, parse_metric, possible
from persongen_bench.core.roles import Variants, open_role
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
        self.role_of: dict[int, str] = {}

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
            start = time.perf_counter()
            made = inner(images)
            self.seconds[role] += time.perf_counter() - start
            return made

        model.encode = counted
        self.role_of[id(model)] = role

    def per_image(self, role: str) -> float:
        """Seconds to encode one image."""
        return self.seconds[role] / max(1, sum(self.seen[role].values()))


def together(seen: Evaluation, metrics: Sequence[Metric], watched: Watched) -> dict[str, float]:
    """Seconds of every metric that has a number, without encoding, all in one evaluation."""
    by_metric = {}
    for metric in metrics:
        before, start = sum(watched.seconds.values()), time.perf_counter()
        values = unit_values(metric, seen)
        spent = time.perf_counter() - start
        if values.notna().any():
            by_metric[metric.info.name] = spent - (sum(watched.seconds.values()) - before)
    return by_metric


def encodings(metric: Metric, seen: Evaluation, watched: Watched) -> dict[str, int]:
    """How many images a metric alone would encode, by the role that does it."""
    needed: dict[str, set[str]] = defaultdict(set)
    generated = set(seen.samples["pixel_hash"])
    with recorded(seen, needed, watched):
        seen.forget()
        seen.instruments.clear()
        unit_values(metric, seen)
    return {role: len(items) + len(generated) for role, items in needed.items()}


@contextmanager
def recorded(seen: Evaluation, needed: dict[str, set[str]], watched: Watched) -> Iterator[None]:
    """Note which catalogue items are asked for, and through which role."""
    features, items = seen.features, seen.item_features
    described = seen.item_descriptions

    def own(role: str, rows: Any = None) -> Any:  # noqa: ANN401  # as the seam
        needed[base_of(seen, role, watched)] |= set()
        return features(role, rows)

    def catalogue(role: str, ids: Sequence[str]) -> Any:  # noqa: ANN401  # as the seam
        needed[base_of(seen, role, watched)] |= set(ids)
        return items(role, ids)

    def words(ids: Sequence[str], role: str = "captioner") -> Any:  # noqa: ANN401  # as the seam
        needed[base_of(seen, role, watched)] |= set(ids)
        return described(ids, role)

    replaced: Mapping[str, Any] = {
        "features": own, "item_features": catalogue, "item_descriptions": words,
    }  # fmt: skip
    vars(seen).update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            del vars(seen)[name]


def base_of(seen: Evaluation, role: str, watched: Watched) -> str:
    """The role whose model sees the images."""
    model = open_role(seen.world.stack, role)
    if hasattr(model, "base"):
        return base_of(seen, model.base, watched)
    return watched.role_of[id(model)]


# --- the libraries ------------------------------------------------------------------------


class Pooled(nn.Module):
    """The sandbox's Inception as torchmetrics wants a feature extractor."""

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401  # InceptionFeatures
        super().__init__()
        self.encoder, self.num_features = encoder, encoder.embedding_size

    def forward(self, images: Tensor) -> Tensor:
        """uint8 ``(n, 3, 64, 64)`` => float32 ``(n, d)``."""
        return torch.from_numpy(self.encoder.encode(list(images.numpy())))


def by_torchmetrics(seen: Evaluation, *, kernel: bool) -> float:
    """Seconds of torchmetrics' FID or KID on the run against its reference set."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    encoder = seen.world.stack.role("inception")
    likes = sorted({item for own in seen.test.liked_items.values() for item in own})
    size = min(1000, len(likes) // 2, len(seen.samples) // 2)
    start = time.perf_counter()
    metric: Any = (
        KernelInceptionDistance(feature=Pooled(encoder), subset_size=size)
        if kernel
        else FrechetInceptionDistance(feature=Pooled(encoder), input_img_size=(3, 64, 64))
    )
    for real, pictures in ((True, seen.item_images(likes)), (False, every_image(seen))):
        for block in range(0, len(pictures), 256):
            batch = torch.from_numpy(np.stack(pictures[block : block + 256]))
            metric.update(batch, real=real)
    metric.compute()
    return time.perf_counter() - start


def every_image(seen: Evaluation) -> list[Image]:
    """All generated images."""
    return seen.images(range(len(seen.samples)))


def pairs_of(
    seen: Evaluation, target: str, n_users: int
) -> tuple[list[tuple[Image, Image]], float]:
    """Image pairs of some users, and what to multiply their time by to get all users'."""
    histories = {request.user_id: request.history for request in seen.requests.values()}
    sets = {"history": histories, "held-out": seen.test.liked_items}[target]
    rows = seen.samples.groupby("user_id").indices
    groups: dict[str, list[int]] = {str(u): [int(k) for k in own] for u, own in rows.items()}
    n_all = sum(len(own) * len(sets.get(user, ())) for user, own in groups.items())
    pairs: list[tuple[Image, Image]] = []
    for user in list(groups)[:n_users]:
        items = seen.item_images(list(sets.get(user, ())))
        pairs += [(image, item) for image in seen.images(groups[user]) for item in items]
    return pairs, n_all / max(1, len(pairs))


def by_pairs(
    compare: Callable[[Tensor, Tensor], Tensor], seen: Evaluation, target: str, n_users: int
) -> float:
    """Seconds of a library that takes both images of every pair."""
    pairs, scale = pairs_of(seen, target, n_users)
    start = time.perf_counter()
    with torch.inference_mode():
        for block in range(0, len(pairs), 64):
            part = pairs[block : block + 64]
            compare(*(torch.from_numpy(np.stack(side)).float() for side in zip(*part, strict=True)))
    return scale * (time.perf_counter() - start)


def lpips_package(seen: Evaluation) -> Callable[[Tensor, Tensor], Tensor]:
    """The lpips package's own loop over the sandbox's trunk."""
    import lpips

    trunk = seen.world.stack.role("lpips")._network  # noqa: SLF001  # the very same weights

    class Trunk(nn.Module):
        def forward(self, pixels: Tensor) -> list[Tensor]:
            layers: list[Tensor] = trunk.features(pixels)
            return layers

    warnings.filterwarnings("ignore")  # torchvision's and torchmetrics' advice
    loss: Any = lpips.LPIPS(
        net="alex", lpips=False, pretrained=False, pnet_rand=True, verbose=False
    )
    loss.net = Trunk()
    return lambda a, b: loss(a / 127.5 - 1, b / 127.5 - 1)


def libraries(seen: Evaluation, n_users: int) -> Callable[[str], float | None]:
    """Seconds of a metric through its library; None where there is none for it."""
    from pytorch_msssim import ms_ssim, ssim

    compare: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "ssim": lambda a, b: ssim(a, b, data_range=255),
        # its own rule refuses sides below 161 at its usual window of 11; 3 is cheaper
        "ms-ssim": lambda a, b: ms_ssim(a, b, data_range=255, win_size=3),
        "lpips": lpips_package(seen),
        "lpips-vgg": lpips_package(seen),
    }

    def seconds(printed: str) -> float | None:
        name, _, argument = printed.partition("@")
        if name in ("fid", "kid"):
            return by_torchmetrics(seen, kernel=name == "kid")
        if name in compare:
            if not argument.startswith(("history", "held-out")):
                return None
            return by_pairs(compare[name], seen, argument.partition(":")[0], n_users)
        return None

    return seconds


def main() -> int:
    """Measure both ways, print, and say whether the ratio holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=210)
    parser.add_argument("--images", type=int, default=25)
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
    library, theirs = libraries(seen, n_library), 0.0
    for metric in metrics:
        name = metric.info.name
        needed = encodings(metric, seen, watched)
        alone = library(name)
        if alone is None:
            alone = own[name] + sum(watched.per_image(r) * n for r, n in needed.items())
        theirs += alone
        print(f"  {name:<28} together {own[name]:7.2f} s + shared encodings, alone {alone:7.2f} s")
    ratio = theirs / ours
    print(f"one by one: {theirs:.1f} s; ratio {ratio:.1f}x (at least {TARGET:g}x is wanted)")
    once = set(most.values()) == {1}
    print("every model saw every image once" if once else f"seen more than once: {most}")
    return 0 if ratio >= TARGET and once else 1


if __name__ == "__main__":
    raise SystemExit(main())
