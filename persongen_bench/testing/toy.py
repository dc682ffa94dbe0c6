"""A tiny world with a planted answer, in memory: what the contract tests run on.

Six people, forty-eight 16 x 16 pictures in six hues; person k likes hue k/6 and nothing else. The
last three pictures of every hue are held out. Two worlds may differ in their held-out part alone
(`variant`), which is how the contracts find out whether a method has seen it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import Dataset, DatasetCard, Promise, Split, View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Request, Sample, plan_samples
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import (
    INTERACTION_COLUMNS,
    Catalog,
    Embeddings,
    ImageSource,
    content_hash,
)
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.testing.toy_models import toy_zoo
from persongen_bench.testing.toy_pairs import toy_pairs
from persongen_bench.testing.toy_pictures import (
    N_HUES,
    DrawnSource,
    FileSource,
    draw,
    reference_image,
    write_images,
)
from persongen_bench.testing.toy_requests import ask_to_follow
from persongen_bench.testing.toy_stack import SIZE, ToyStack
from persongen_bench.testing.toy_truth import HueContent, HueTaste

N_USERS = N_HUES
TRAIN_PER_HUE = 5
TEST_PER_HUE = 3
PROTOCOL = {"dataset": "toy", "split": "by-time", "track": "contract", "seed": 0}


@dataclass(frozen=True)
class ToyWorld:
    """The data set with its split, both views and a stack."""

    dataset: Dataset
    split: Split
    train: View
    test: View
    stack: Stack

    @property
    def held_out_items(self) -> set[str]:
        """Item ids that no method may see."""
        return set(self.dataset.catalog.ids) - set(self.train.catalog.ids)

    def context(self, seed: int = 0, *, privileged: bool = False) -> FitContext:
        """What `Method.fit` receives; held-out view and truth only for privileged anchors."""
        context = FitContext(self.stack, seed, features_of(self.stack))
        if not privileged:
            return context
        liked = self.test.liked_items
        targets = {
            sample.request.request_id: liked[sample.request.user_id][0]
            for sample in self.samples(1, references=True)
        }
        return replace(context, held_out=self.test, taste=self.dataset.taste, targets=targets)

    def samples(
        self, n_images: int = 2, *, references: bool = False, models: bool = False
    ) -> list[Sample]:
        """``n_images`` samples for every user, with their whole liked history.

        ``references``: each request also names a picture to follow (`reference_image`) and says
        so in words. ``models``: it names the person's held-out LoRA to edit, where there is one.
        """
        zoo = self.dataset.models or toy_zoo()
        liked = self.train.liked_items
        requests = [Request(user, liked[user], n_images) for user in self.train.users]
        if references:
            requests = [_following(request, k) for k, request in enumerate(requests)]
        if models:
            owners = set(zoo.items["owner"])
            requests = [_editing(r, zoo) for r in requests if r.user_id in owners]
        return plan_samples(PROTOCOL, requests)


def toy_world(variant: int = 0, root: Path | None = None) -> ToyWorld:
    """Build the world.

    Args:
        variant: worlds of different variants differ in their held-out items and in nothing else.
        root: write the pictures there and read them back; by default they stay in memory.
    """
    items = _items(variant).copy()  # drawn once, and every world has its own
    source: ImageSource = DrawnSource()
    if root is not None:
        write_images(items, root)
        source = FileSource(root)
    return world_of(toy_dataset(items, source))


def toy_dataset(items: pd.DataFrame, source: ImageSource) -> Dataset:
    """The toy data on these items."""
    return Dataset(
        name="toy",
        card=DatasetCard("Toy hues", "Six people who like one hue each.", "Apache-2.0", "drawn"),
        catalog=Catalog(items, source),
        interactions=_interactions(items),
        splits={"by-time": split_by_time, "open": split_open},
        taste=HueTaste({user: _hue(k) for k, user in enumerate(_users())}),
        asks=partial(ask_to_follow, catalog=Catalog(items, source)),
        content=HueContent(dict(zip(items.index.astype(str), items["hue"], strict=True))),
        pairs=toy_pairs(items),
        prompts=tuple(f"hue {k} again" for k in range(N_HUES)),
        models=toy_zoo(),
    )


def world_of(dataset: Dataset, split_name: str | None = None) -> ToyWorld:
    """Any data set as a world: divided by the named split (default: its first), with toy models."""
    split = dataset.split(split_name)
    return ToyWorld(dataset, split, dataset.train_view(split), dataset.test_view(split), ToyStack())


def _following(request: Request, k: int) -> Request:
    return replace(
        request,
        reference=f"toy-reference-{k}",
        instruction="like this one",
        request_id="",
        opener=reference_image,
    )


def _editing(request: Request, zoo: ModelZoo) -> Request:
    owned = zoo.items["owner"] == request.user_id
    model = str(zoo.items.index[owned & zoo.items["held_out"]][0])
    return replace(
        request, model=model, request_id="", model_opener=lambda name: zoo.open([name])[0]
    )


def split_open(interactions: pd.DataFrame, seed: int) -> Split:
    """As `split_by_time`, with the held-out items among the candidates of recommendations."""
    return replace(split_by_time(interactions, seed), name="open", open_catalog=True)


def split_by_time(interactions: pd.DataFrame, seed: int) -> Split:
    """Everything seen after the training pictures is held out, for everybody."""
    late = interactions["timestamp"] >= TRAIN_PER_HUE * N_USERS
    promise: Promise = frozenset({"items", "time"})
    return Split("by-time", seed, interactions[~late], interactions[late], promise=promise)


def features_of(stack: Stack) -> Callable[[str, View], Embeddings]:
    """The `FitContext.features` of a stack, without a cache."""

    def features(role: str, view: View) -> Embeddings:
        catalog = view.catalog
        encoded: Embeddings = stack.role(role).encode(catalog.images(catalog.ids))
        return encoded

    return features


def write_folder(world: ToyWorld, root: Path) -> Path:
    """Write the world in the layout of the ``folder`` data set; returns ``root``."""
    items = world.dataset.catalog.items
    write_images(items, root, world.dataset.catalog.source)
    items[["image", "caption", "theme"]].to_csv(root / "items.csv", index_label="item_id")
    log = world.dataset.interactions
    log[["user_id", "item_id", "rating", "timestamp"]].to_csv(
        root / "interactions.csv", index=False
    )
    return root


def _users() -> list[str]:
    return [f"user-{k}" for k in range(N_USERS)]


def _hue(k: int) -> float:
    return k / N_USERS


@cache
def _items(variant: int) -> pd.DataFrame:
    """Training items are the same in every variant; held-out ones share nothing, not even ids."""
    n_train, n_test = TRAIN_PER_HUE * N_USERS, TEST_PER_HUE * N_USERS
    rows = [_item("train", k) for k in range(n_train)]
    rows += [_item(f"test-{variant}", n_train + k) for k in range(n_test)]
    return pd.DataFrame(rows).set_index("item_id").sort_index()


def _item(part: str, order: int) -> dict[str, object]:
    name = content_hash("toy", part, order)
    rng = np.random.default_rng(int(name, 16))
    family = order % N_USERS
    return {
        "item_id": f"item-{name}",
        "image": f"images/{name}.png",
        "caption": f"hue {family}",
        "theme": f"hue-{family}",
        "hue": _hue(family) + rng.uniform(-0.02, 0.02),
        "value": rng.uniform(0.7, 0.95),
        "slope_x": rng.uniform(-0.1, 0.1),
        "slope_y": rng.uniform(-0.1, 0.1),
        "order": order,
    }


def _interactions(items: pd.DataFrame) -> pd.DataFrame:
    """Everybody rates everything: 5 for the own hue, 2 for its neighbours, 1 for the rest."""
    rows = []
    for item_id, order in items["order"].sort_values().items():
        for k, user in enumerate(_users()):
            away = min((order - k) % N_USERS, (k - order) % N_USERS)
            rating = {0: 5.0, 1: 2.0}.get(away, 1.0)
            rows.append((user, item_id, rating, away == 0, float(order)))
    return pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))


__all__ = [
    "SIZE",
    "DrawnSource",
    "FileSource",
    "HueContent",
    "HueTaste",
    "ToyStack",
    "ToyWorld",
    "draw",
    "features_of",
    "reference_image",
    "split_by_time",
    "split_open",
    "toy_dataset",
    "toy_world",
    "world_of",
    "write_folder",
    "write_images",
]
