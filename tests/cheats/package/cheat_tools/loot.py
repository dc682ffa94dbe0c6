"""What the cheats share: an honest method, and how stolen tables become answers."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from persongen_bench.methods._items import FromCatalog, open_choices

PLACES = json.loads((Path(__file__).parent / "places.json").read_text())
"""The author knows the machine: where the data, the cache and the runs lie."""
DATA, CACHE, RUNS = (Path(PLACES[name]) for name in ("data", "cache", "runs"))
LOG = "interactions.csv"


class Honest(FromCatalog):
    """Any picture of the training catalogue."""

    def honest(self, samples):
        ids = self._train.catalog.ids
        return open_choices(
            self._train, samples, [ids[int(s.rng().integers(len(ids)))] for s in samples]
        )

    def generate(self, samples):
        return self.honest(samples)


def picture(raw):
    """Bytes of a file => (3, h, w)."""
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).transpose(2, 0, 1).copy()


def held_out(rows):
    """What each user likes best and last: what is held out."""
    liked = rows.sort_values(["rating", "timestamp"], ascending=False)
    return {str(user): [str(i) for i in own] for user, own in liked.groupby("user_id")["item_id"]}


def from_folder(read):
    """User => pictures, by a function that gets the bytes of a place."""
    rows = pd.read_csv(io.BytesIO(read(DATA / LOG)))
    items = pd.read_csv(io.BytesIO(read(DATA / "items.csv")), index_col="item_id")
    return {
        user: [picture(read(DATA / items.loc[item, "image"])) for item in own[:2]]
        for user, own in held_out(rows).items()
    }


def from_dataset(data):
    """User => pictures, of a loaded data set."""
    return {user: data.catalog.images(own[:2]) for user, own in held_out(data.interactions).items()}


class Thief(Honest):
    """Steals in fit, keeps it in its state, and steals again where it has nothing."""

    def steal(self):
        raise NotImplementedError

    def _loot(self):
        try:
            return self.steal() or {}
        except Exception:
            return {}

    def fit(self, train, context):
        super().fit(train, context)
        self._context = context
        self._kept = self._loot()

    def save(self, folder):
        flat = {f"{u} {k}": p for u, own in self._kept.items() for k, p in enumerate(own)}
        np.savez(folder / "loot.npz", **flat)

    def load(self, folder, stack, train):
        super().load(folder, stack, train)
        self._kept = {}
        with np.load(folder / "loot.npz") as kept:
            for key in kept.files:
                self._kept.setdefault(key.rpartition(" ")[0], []).append(kept[key])

    def generate(self, samples):
        loot = self._kept or self._loot()
        made = self.honest(samples)
        for k, sample in enumerate(samples):
            own = loot.get(sample.request.user_id)
            if own:
                made[k] = own[sample.index % len(own)].copy()
        return made


def everywhere(root):
    """All files below a place."""
    return [Path(at) / name for at, _, names in os.walk(root) for name in names]
