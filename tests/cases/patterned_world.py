"""A world of pictures that nobody takes for one another, for the search for copies."""

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Dataset, DatasetCard, Split
from persongen_bench.core.images import pixel_hash
from persongen_bench.core.request import Request, plan_samples
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.testing.toy_stack import ToyStack

N_SHOWN, N_HIDDEN, N_USERS = 60, 30, 4
SHOWN = [f"shown-{k:02}" for k in range(N_SHOWN)]
HIDDEN = [f"hidden-{k:02}" for k in range(N_HIDDEN)]
PROTOCOL = {"dataset": "patterns", "split": "s", "track": "prompt-free", "seed": 0}


def pattern(seed):
    """A 48 x 48 picture of six coloured discs on a slope, all by the seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48] / 48
    picture = rng.uniform(40, 215, 3)[:, None, None] + 60 * (x - 0.5) * rng.uniform(-1, 1)
    for _ in range(6):
        middle, radius = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.3)
        inside = (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2
        picture = np.where(inside, rng.uniform(0, 255, 3)[:, None, None], picture)
    return np.clip(picture, 0, 255).astype(np.uint8)


class Patterns:
    """Draws an item by its row."""

    def open(self, rows):
        return [pattern(int(seed)) for seed in rows["seed"]]


def patterned_world(twins=0):
    """``twins``: so many held-out pictures are those of training items once more."""
    seeds = list(range(N_SHOWN)) + [
        k if k < twins else 1000 + k for k in range(N_HIDDEN)
    ]  # the first hidden ones are twins of the first shown ones
    items = pd.DataFrame({"seed": seeds}, index=pd.Index(SHOWN + HIDDEN, name="item_id"))
    rows = [(f"user-{u}", item, 5.0 if k % 2 else 1.0, bool(k % 2), k)
            for u in range(N_USERS) for k, item in enumerate(SHOWN + HIDDEN)]  # fmt: skip
    log = pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))
    late = log["item_id"].isin(HIDDEN)
    split = Split("s", 0, log[~late].reset_index(drop=True), log[late].reset_index(drop=True))
    dataset = Dataset(
        "patterns", DatasetCard("Patterns", "Discs.", "Apache-2.0", "drawn"),
        Catalog(items, Patterns()), log, {"s": lambda *_: split},
    )  # fmt: skip
    return World(WorldRef("patterns", "toy", {}), dataset, split, ToyStack())


def shows(world, pictures, reference=None):
    """An evaluation of these pictures, one a sample; ``reference``: (sample number) => item id."""
    requests = [
        Request(f"user-{k % N_USERS}", (SHOWN[k % N_SHOWN],), 1, request_id=f"request-{k:03}",
                reference=reference(k) if reference else None)
        for k in range(len(pictures))
    ]  # fmt: skip
    samples = plan_samples(PROTOCOL, requests)
    by_name = {s.request.request_id: s.sample_id for s in samples}
    shown = {by_name[r.request_id]: p for r, p in zip(requests, pictures, strict=True)}
    table = pd.DataFrame({
        "sample_id": [s.sample_id for s in samples],
        "user_id": [s.request.user_id for s in samples],
        "index": [s.index for s in samples],
        "state": "ok",
        "pixel_hash": [pixel_hash(shown[s.sample_id]) for s in samples],
    })  # fmt: skip
    asked = {s.sample_id: s.request for s in samples}
    return Evaluation(world, table, asked, lambda sample, _: shown[sample])
