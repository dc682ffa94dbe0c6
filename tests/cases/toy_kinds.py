"""Tracks whose answers are no images: a track, a method and a metric for rankings and adapters."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Request
from persongen_bench.core.roles import Adapter
from persongen_bench.methods._items import NoConfig, Stateless, read_json, write_json

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"
WIDTH = 160
"""Of that layer in the sandbox's decoder."""
PAUSE = float(os.environ.get("TOY_PAUSE", "0"))
"""Seconds a sample takes besides, so that a process can be killed in the middle."""


class Recommend:
    """User => ranked items."""

    output: ClassVar[str] = "ranking"
    unit: ClassVar[str] = "user"

    def requests(self, world, n_images, n_history):
        """One request a user."""
        likes = world.train.liked_items
        return [Request(u, likes.get(u, ())[-n_history:], n_images) for u in world.test.users]


class Edit(Recommend):
    """User => an adapter of the decoder."""

    output = "adapter"

    def requests(self, world, n_images, n_history):
        """The same, with words to draw with."""
        asked = super().requests(world, n_images, n_history)
        return [Request(r.user_id, r.history, n_images, instruction="a star") for r in asked]


class Toy(Stateless):
    """What both methods share."""

    Config = NoConfig
    roles = ()

    def __init__(self, config):
        self.config = config

    def fit(self, train, context):
        """How often each item was liked."""
        counts = train.interactions.groupby("item_id")["liked"].sum()
        self._likes = {str(item): float(n) for item, n in counts.items()}

    def save(self, folder):
        write_json(folder, self._likes)

    def load(self, folder, stack, train):
        self._likes = read_json(folder)

    def generate(self, samples):
        return [self.answer(sample) for sample in samples]


class Popular(Toy):
    """The catalogue by how many liked an item, ties by the sample's own dice."""

    makes = "ranking"

    def answer(self, sample):
        time.sleep(PAUSE)
        dice = dict(zip(sorted(self._likes), sample.rng().random(len(self._likes)), strict=True))
        order = sorted(self._likes, key=lambda item: (-self._likes[item], dice[item]))
        return Ranking(tuple(order), tuple(self._likes[item] for item in order))


class Tilt(Toy):
    """A LoRA of rank 2 that depends on the user, of one layer."""

    makes = "adapter"
    roles = ("decoder",)

    def answer(self, sample):
        time.sleep(PAUSE)
        rng = np.random.default_rng(list(sample.request.user_id.encode()))
        down, up = rng.normal(size=(2, WIDTH)), rng.normal(size=(WIDTH, 2))
        return Adapter({
            f"{LAYER}.lora_A.weight": down.astype(np.float32),
            f"{LAYER}.lora_B.weight": 0.1 * up.astype(np.float32),
        }, alpha=2.0)  # fmt: skip


@dataclass
class Top:
    """Share of the first item's likes in the catalogue's best: reads rankings."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="toy-kinds/top", family="taste", direction="higher", range=(0.0, 1.0), unit="share",
        source="a test", reads="ranking", failed_value=0.0, shows_not="Anything.",
    )  # fmt: skip

    @classmethod
    def parse(cls, argument):
        return cls()

    def signature(self, context):
        return "toy-kinds/top|impl:1"

    def per_unit(self, context):
        samples = context.samples
        scores = [r.scores[0] / max(1.0, *r.scores) for r in context.outputs(range(len(samples)))]
        values = pd.Series(scores, index=samples["unit"], dtype=float).groupby(level=0).mean()
        return values.reindex(list(context.units))


class Size(Top):
    """Mean square of an adapter's numbers, cut at 1: reads adapters."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="toy-kinds/size", family="cost", direction="lower", range=(0.0, 1.0), unit="square",
        source="a test", reads="adapter", failed_value=1.0, shows_not="Anything.",
    )  # fmt: skip

    def signature(self, context):
        return "toy-kinds/size|impl:1"

    def per_unit(self, context):
        samples = context.samples
        sizes = [
            min(1.0, float(np.mean([np.mean(a**2) for a in adapter.lora.values()])))
            for adapter in context.outputs(range(len(samples)))
        ]
        values = pd.Series(sizes, index=samples["unit"], dtype=float).groupby(level=0).mean()
        return values.reindex(list(context.units))


BOARD = """
title = "Toy {kind}s"
track = "toy-kinds/{track}"
datasets = ["dsprites"]
stack = "{stack}"
headline = "{metric}"
taste = "{metric}"
n_images = 3
n_history = 4
columns = [{{ metric = "{metric}", direction = "{direction}" }}{more}]
methods = ["toy-kinds/{method}"]
baselines = []
anchors = []
"""
FILES = {
    "toy_boards/__init__.py": "",
    "toy_boards/recommend.toml": BOARD.format(
        kind="ranking", track="recommend", stack="pixels", metric="toy-kinds/top",
        direction="higher", method="popular", more="",
    ),
    "toy_boards/edit.toml": BOARD.format(
        kind="adapter", track="edit", stack="sandbox", metric="toy-kinds/size", direction="lower",
        method="tilt", more=', { metric = "diversity", range = [0.0, 2.0] }',
    ),
}  # fmt: skip
POINTS = {
    "tracks": {"recommend": "toy_kinds:Recommend", "edit": "toy_kinds:Edit"},
    "methods": {"popular": "toy_kinds:Popular", "tilt": "toy_kinds:Tilt"},
    "metrics": {"top": "toy_kinds:Top", "size": "toy_kinds:Size"},
    "boards": {"recommend": "toy_boards:recommend", "edit": "toy_boards:edit"},
}
