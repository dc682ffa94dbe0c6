"""weights2weights on LoRAs that people made (ImageGem, 004, sec. 4.3 and 5.3; W2W, 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import FitContext
from persongen_bench.methods._drawing import required_role
from persongen_bench.methods.personas.descriptions import DescriptionBook
from persongen_bench.methods.w2w.config import W2WConfig
from persongen_bench.methods.w2w.directions import Direction, learned
from persongen_bench.methods.w2w.labels import (
    Examples,
    Labels,
    by_share,
    by_tags,
    by_thresholds,
    probe,
    representative,
)
from persongen_bench.methods.w2w.space import EVERYBODY, EditsModels, models_of
from persongen_bench.util.vectors import unit_rows

SANDBOX: Mapping[str, object] = {
    "rank": 4,
    "labels": "ratings",
    "share": 0.35,
    "penalty": 1000.0,
    "strength": 8.0,
}
"""Chosen on the users of another world (seed 1); see docs/model-editing.md. A large penalty makes
the direction that of the difference of means, along which models really differ; with a small one
it leaves them, and pictures break before the taste is reached."""


@final
class W2W(EditsModels):
    """A direction of the LoRAs' weights for each user, learned from labelled models.

    Per layer the first singular triplet, one vector a model, principal components, a linear
    classifier on labelled models; its normal is the direction along which a model is moved.
    """

    Config: ClassVar[type[Config]] = W2WConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {"residual": "drop", "describe": "captions"},
        "sandbox": SANDBOX,
    }
    config: W2WConfig

    @property
    def roles(self) -> tuple[str, ...]:
        """Those that the labels are made with."""
        if self.config.labels == "tags":
            return ()
        captions = self.config.labels == "taste" and self.config.describe == "captions"
        return ("clip", "captioner") if captions else ("clip",)

    def directions(
        self, train: View, coordinates: np.ndarray, rows: Sequence[int], context: FitContext
    ) -> dict[str, Direction]:
        """By user; of labels that are the same for everybody one under `EVERYBODY`."""
        made = self._labels(train, context)
        directions = {
            user: learned(coordinates, labels[rows], self.config.classifier, self.config.penalty)
            for user, labels in made.items()
        }
        return {user: found for user, found in directions.items() if found is not None}

    def _labels(self, train: View, context: FitContext) -> dict[str, Labels]:
        """A label of every training model, by user."""
        config, zoo = self.config, models_of(train)
        if config.labels == "tags":
            if "tags" not in zoo.items:
                raise ConfigError("these models have no tags", fix="Use labels=texts.")
            tags = by_tags(list(zoo.items["tags"]), config.positive, config.negative)
            return {EVERYBODY: tags}
        clip = required_role(context.stack, "clip", "label the models")
        examples = Examples.of(zoo, context.features("clip", View.unrated(zoo.examples)))
        if config.labels == "texts":
            return {EVERYBODY: self._by_texts(examples, clip)}
        make = self._probes if config.labels == "ratings" else self._targets
        targets = make(train, context)
        share = config.share or 0.0
        return {u: by_share(examples.similarity(t), share) for u, t in targets.items()}

    def _by_texts(self, examples: Examples, clip: object) -> Labels:
        config = self.config
        texts = [config.positive, config.negative, *([config.gate] if config.gate else [])]
        rows = clip.encode_texts(texts)  # type: ignore[attr-defined]  # the role clip
        positive, negative, *gate = [examples.similarity(row) for row in rows]
        if config.share is None:
            passed = gate[0] if gate else None
            return by_thresholds(positive, negative, passed, config.thresholds)
        return by_share(positive - negative, config.share)

    def _probes(self, train: View, context: FitContext) -> dict[str, np.ndarray]:
        """Of each user, in the space of the role ``clip``; who only likes has none."""
        features = context.features("clip", train)
        place = {item: k for k, item in enumerate(train.catalog.ids)}
        found = {}
        for user, own in train.interactions.groupby("user_id", sort=True):
            if str(user) in (context.users or train.users):
                rows = own["item_id"].map(place).to_numpy()
                liked = own["liked"].to_numpy(dtype=bool)
                found[str(user)] = probe(features[rows[liked]], features[rows[~liked]])
        return {user: way for user, way in found.items() if way is not None}

    def _targets(self, train: View, context: FitContext) -> dict[str, np.ndarray]:
        """What each user's models should look like, in the space of the role ``clip``."""
        features = context.features("clip", train)
        place = {item: k for k, item in enumerate(train.catalog.ids)}
        chosen: dict[str, list[str]] = {}
        for user in context.users or train.users:
            liked = train.liked_items.get(user, ())
            rows = [place[item] for item in liked]
            if rows:
                config = self.config
                kept = representative(features[rows], config.min_cluster_size, config.n_nearest)
                chosen[user] = [liked[k] for k in kept]
        if self.config.describe == "captions":
            return self._described(chosen, train, context)
        return {
            user: unit_rows(features[[place[item] for item in items]]).mean(axis=0)
            for user, items in chosen.items()
        }

    def _described(
        self, chosen: Mapping[str, Sequence[str]], train: View, context: FitContext
    ) -> dict[str, np.ndarray]:
        """The mean of the descriptions of the representative images, as texts."""
        captioner = required_role(context.stack, "captioner", "describe liked images")
        clip = required_role(context.stack, "clip", "read the descriptions")
        book = DescriptionBook(captioner, train.catalog)
        book.fill(
            [item for items in chosen.values() for item in items],
            context.progress, context.checkpoints,
        )  # fmt: skip
        return {
            user: unit_rows(clip.encode_texts([said.caption for said in book.of(items)])).mean(
                axis=0
            )
            for user, items in chosen.items()
        }
