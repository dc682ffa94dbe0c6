"""How often a changed copy is found, and how often a picture that is none is taken for one.

    OMP_NUM_THREADS=1 python benchmarks/copies.py [tasteworld] [dsprites]

Of held-out pictures of a world, each changed in one way or in several, the share that the search
by pixels calls copies (`loop.copying`), and the share that is above the threshold of `copy-rate` in
the judging space; then the false alarms of both: training pictures against held-out ones, and the
users' held-out pictures against their likes. Where the constants come from: `copy_pool.LIMIT`,
`copy_pool.RATIO` and `copy_rate.THRESHOLD`. Nothing here is random beyond the seeds.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image as PilImage
from PIL import ImageFilter

from persongen_bench.core import images as imaging
from persongen_bench.core.roles import open_role
from persongen_bench.core.types import Image
from persongen_bench.loop.copy_pool import LIMIT, Pool, copies_hidden, pool_of, spaced
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.metrics.risk.copy_rate import FALSE_ALARMS, THRESHOLD
from persongen_bench.util import twins
from persongen_bench.util.vectors import unit_rows

WORLDS = {
    "tasteworld": WorldRef("tasteworld", "sandbox", {}),
    "dsprites": WorldRef("dsprites", "sprites", {}),
}
N, ROLE = 100, "judge_encoder"
Change = Callable[[Image, np.random.Generator], Image]


def noise(picture: Image, rng: np.random.Generator, levels: int = 6) -> Image:
    """Even noise of up to so many grey levels."""
    moved = picture.astype(int) + rng.integers(-levels, levels + 1, picture.shape)
    return np.clip(moved, 0, 255).astype(np.uint8)


def blur(picture: Image, rng: np.random.Generator) -> Image:  # noqa: ARG001  # one signature
    """By one pixel."""
    return imaging.from_pil(imaging.to_pil(picture).filter(ImageFilter.GaussianBlur(1)))


def shift(picture: Image, rng: np.random.Generator) -> Image:
    """By up to 3% of the edge each way; what comes in repeats the border."""
    height, width = picture.shape[1:]
    most = round(0.03 * min(height, width))
    top, left = rng.integers(0, 2 * most + 1, 2)
    wide = np.pad(picture, ((0, 0), (most, most), (most, most)), mode="edge")
    return np.ascontiguousarray(wide[:, top : top + height, left : left + width])


def flip(picture: Image, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """Left and right exchanged."""
    return np.ascontiguousarray(picture[:, :, ::-1])


def jpeg(picture: Image, rng: np.random.Generator, quality: int = 60) -> Image:  # noqa: ARG001
    """Recompressed."""
    buffer = io.BytesIO()
    imaging.to_pil(picture).save(buffer, "JPEG", quality=quality)
    return imaging.from_pil(PilImage.open(buffer))


def scale(picture: Image, rng: np.random.Generator) -> Image:  # noqa: ARG001
    """To three quarters of its size and back."""
    return imaging.resize(imaging.resize(picture, picture.shape[1] * 3 // 4), picture.shape[1])


CHANGES: Mapping[str, Sequence[Change]] = {
    "none": (),
    "noise +-6": (noise,),
    "noise +-12": (lambda picture, rng: noise(picture, rng, 12),),
    "blur 1 px": (blur,),
    "shift 3%": (shift,),
    "flip": (flip,),
    "jpeg 60": (jpeg,),
    "jpeg 30": (lambda picture, rng: jpeg(picture, rng, 30),),
    "scale 3/4": (scale,),
    "noise, shift, jpeg": (noise, shift, jpeg),
    "noise, blur, shift, flip, jpeg": (noise, blur, shift, flip, jpeg),
}


def changed(pictures: Sequence[Image], changes: Sequence[Change]) -> list[Image]:
    """Every picture after all changes, by its own random numbers."""
    done = []
    for k, picture in enumerate(pictures):
        rng = np.random.default_rng(k)
        for change in changes:
            picture = change(picture, rng)
        done.append(picture)
    return done


def threshold_of(world: World) -> tuple[float, float]:
    """The threshold of `copy-rate` on this world, and the share of false alarms at it."""
    likes, best = world.train.liked_items, [np.full(1, THRESHOLD)]
    for user, rows in world.test.interactions.groupby("user_id"):
        own = likes.get(str(user), ())
        fresh = sorted(set(rows["item_id"].astype(str)).difference(own))
        if own and fresh:
            a, b = (unit_rows(world.features.rows(ROLE, list(ids))) for ids in (fresh, own))
            best.append((a @ b.T).max(axis=1))
    cosines = np.concatenate(best)
    high = np.quantile(cosines, 1 - FALSE_ALARMS, method="higher") + 1e-6
    threshold = float(np.clip(high, THRESHOLD, 1 - 1e-5))
    return threshold, float((cosines[1:] >= threshold).mean())


def by_pixels(pool: Pool, pictures: Sequence[Image]) -> float:
    """Share that the search calls copies of held-out pictures."""
    small = twins.thumbnails(pictures)
    unseen, seen = (twins.nearest(small, of)[1] for of in (pool.small_hidden, pool.small_shown))
    return float(copies_hidden(unseen, seen).mean())


def measure(name: str) -> None:
    """Print the table of a world."""
    world = load_world(WORLDS[name])
    pool = pool_of(world)
    originals = world.dataset.catalog.images(spaced(pool.hidden, N))
    judge = open_role(world.stack, ROLE)
    known = unit_rows(judge.encode(originals))
    threshold, alarms = threshold_of(world)
    print(f"\n{name}: {len(pool.hidden)} held-out, {len(pool.shown)} training pictures")
    print(f"limit {LIMIT} grey levels; threshold of copy-rate {threshold:.5f}")
    print(
        f"| change | by pixels | copy-rate >= {threshold:.3f} | at {1 - 1e-5} |\n|---|---|---|---|"
    )
    for change, steps in CHANGES.items():
        pictures = changed(originals, steps)
        cosines = (unit_rows(judge.encode(pictures)) * known).sum(axis=1)
        above, exact = (cosines >= threshold).mean(), (cosines >= 1 - 1e-5).mean()
        print(f"| {change} | {by_pixels(pool, pictures):.2f} | {above:.2f} | {exact:.2f} |")
    null = (pool.null_hidden.mean(), pool.null_shown.mean())
    print(f"| false alarms | {null[0]:.3f} (training copies {null[1]:.3f}) | {alarms:.3f} | |")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or WORLDS:
        measure(chosen)
