"""Which end is better, by example: of two sets of images one is plainly better, for every card.

A direction that is turned on a card turns a ranking, and leaves every value as it is.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from persongen_bench.core.dataset import Split
from persongen_bench.core.metric_cards import every_metric, parse_metric
from persongen_bench.core.roles import open_role
from persongen_bench.core.types import content_hash
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

SCALE = 4
"""Toy pictures of 16 pixels, so enlarged, have the 64 that MS-SSIM needs at three scales."""

INSTRUMENTS = {}
"""What metrics learn of a split, by its name."""


@dataclass(frozen=True)
class Enlarged(ToyScores):
    """Larger pictures; and a text encoder that sees in a caption the picture it belongs to."""

    def images(self, rows):
        return [_large(picture) for picture in super().images(rows)]

    def item_images(self, item_ids):
        return [_large(picture) for picture in super().item_images(item_ids)]

    def text_features(self, role, texts):
        items = self.world.dataset.catalog.items
        by_caption = dict(zip(items["caption"], items.index.astype(str), strict=True))
        if not set(texts) <= set(by_caption):
            return super().text_features(role, texts)
        return self.item_features(role, [by_caption[text] for text in texts])

    def instrument(self, key, make):
        """Made once for all images of one world, as in a run."""
        name = (self.world.split.name, content_hash(*key))
        if name not in INSTRUMENTS:
            INSTRUMENTS[name] = make()
        return INSTRUMENTS[name]

    def features(self, role, rows=None):
        shown = self.images(range(len(self.samples)) if rows is None else rows)
        return open_role(self.world.stack, role).encode(shown)


def _large(picture):
    return np.ascontiguousarray(picture.repeat(SCALE, axis=1).repeat(SCALE, axis=2))


@cache
def shown(kind):
    """Four images each of six users, of whom each likes another hue."""
    whole = toy_score_context(n_images=4, accuracy=1.0)
    world, rng = whole.world, np.random.default_rng(0)
    pictures = {
        "fitting": lambda: whole.pictures,
        "noise": lambda: [rng.integers(0, 256, p.shape, np.uint8) for p in whole.pictures],
        "another's": lambda: [*whole.pictures[4:], *whole.pictures[:4]],
        "always one": lambda: [whole.pictures[0]] * len(whole.pictures),
        "seen": lambda: _items_of(whole, world.train.liked_items),
        "future": lambda: _items_of(whole, world.test.liked_items),
    }
    return Enlarged(world, whole.samples, tuple(pictures[kind]()))


def _items_of(whole, liked):
    own = zip(whole.samples["user_id"], whole.samples["index"], strict=True)
    return whole.world.dataset.catalog.images([liked[u][k % len(liked[u])] for u, k in own])


@cache
def shuffled():
    """The same ratings dealt to other pictures at random: of which nobody can learn a taste."""
    whole = shown("fitting")
    data, split = whole.world.dataset, whole.world.split
    dealt = np.random.default_rng(0).permutation(len(split.train))
    train = split.train.assign(
        **{name: split.train[name].to_numpy()[dealt] for name in ("liked", "rating")}
    )
    other = Split("shuffled", 0, train, split.test)
    views = {"train": data.train_view(other), "test": data.test_view(other)}
    return replace(whole, world=replace(whole.world, split=other, **views), _memo={})


PAIRS = {
    **dict.fromkeys(["diversity", "lpips-diversity", "vendi"], ("fitting", "always one")),
    "coverage": ("future", "always one"),
    "copy-rate": ("noise", "seen"),
    "novelty": ("future", "seen"),
    "reidentification": ("always one", "fitting"),
}
"""The better images and the worse ones, where they are not the future likes and noise."""
OF_THE_DATA = {
    "taste-auc", "verifier-auc", "verifier-brier", "verifier-ece", "verifier-test-auc",
    "verifier-user-auc",
}  # fmt: skip
"""Numbers of a judge, whatever was made: worse where ratings are dealt at random."""
OF_LISTS = {
    # random lists cover as much as good ones
    "list-coverage@10", "list-coverage@100",
    # given that the item is among ten: the worse lists are simply fewer
    "conditional-ndcg@5", "conditional-rank", "conditional-rank-deviation", "conditional-recall@5",
}  # fmt: skip
"""Metrics of lists without a plain case; `test_lists` has them by hand."""
NO_PLAIN_CASE = {
    *OF_LISTS,
    # a learned scale: no toy picture is plainly more beautiful
    "aesthetic@v1", "aesthetic@v2", "hpsv2@2.0-empty", "hpsv2@2.0-generic", "hpsv2@2.1-generic",
    "pickscore@generic",
    # more places than the toy has items
    "list-ndcg@100", "list-recall@100", "list-recall-novel@100",
    # all toy pictures have one content; a judge that learns nothing can be calibrated
    "topic-precision@content", "verifier-ece",
    # more images, likes or scales than here; the same card has other variants
    "precision@10", "precision@20", "precision@5", "recall@10", "recall@20", "recall@5",
    "ms-ssim@held-out", "ms-ssim@history", "ms-ssim@reference", "fd-infinity@dino", "fd@clip",
    "fd@dino", "fd@judge_encoder",
}  # fmt: skip
DIRECTED = [
    name
    for name in (*every_metric(), "fd@inception/clean")
    if parse_metric(name).info.direction != "none"
    and name not in NO_PLAIN_CASE
    and not name.endswith("@no-taste")  # sees nothing of what tells these images apart
]


@pytest.mark.parametrize("name", DIRECTED)
def test_the_better_images_are_better_in_the_direction_of_the_card(name):
    metric, base = parse_metric(name), name.partition("@")[0]
    if base in OF_THE_DATA:
        contexts = shown("fitting"), shuffled()
    elif metric.info.reads == "ranking":
        contexts = (
            toy_score_context(reads="ranking", accuracy=1.0),
            toy_score_context(reads="ranking", accuracy=1 / 6),
        )
    else:
        contexts = tuple(shown(kind) for kind in PAIRS.get(base, ("future", "noise")))
    better, worse = (metric.per_unit(context).mean() for context in contexts)
    sign = {"higher": 1, "lower": -1}[metric.info.direction]
    assert sign * (better - worse) > 1e-3


def test_every_directed_card_has_a_case():
    """Published scales rise with what people prefer; LAION's aesthetic rating is 1 to 10."""
    cases = {name.partition("@")[0] for name in DIRECTED}
    without = {name for name in NO_PLAIN_CASE if name.partition("@")[0] not in cases}
    assert without - OF_LISTS == {"aesthetic@v1", "aesthetic@v2"}
    assert {parse_metric(name).info.direction for name in without - OF_LISTS} == {"higher"}
