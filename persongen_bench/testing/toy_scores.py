"""A score context in memory: the toy world's users, each with images made for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.output import IMAGE, RANKING, Ranking
from persongen_bench.core.request import Request
from persongen_bench.core.roles import Adapter, open_role
from persongen_bench.core.truth import KnownContent
from persongen_bench.core.types import Description, Embeddings, Image, Rows, ScoreMatrix
from persongen_bench.testing.memo import Memoised
from persongen_bench.testing.toy import HueContent, HueTaste, ToyWorld, draw, toy_world


@dataclass(frozen=True)
class ToyScores(Memoised):
    """Implements `metric.ScoreContext` on images held in memory; the unit is the user."""

    world: ToyWorld
    samples: pd.DataFrame
    pictures: tuple[Image, ...]
    """Row i of ``samples`` is image i."""
    answers: tuple[Any, ...] = ()
    """What was answered, where that is not the image; row i of ``samples`` is answer i."""
    planned: pd.DataFrame | None = None
    """Every sample asked for, as ``samples``; None: those that were delivered."""
    _memo: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def users(self) -> tuple[str, ...]:
        """Every user of the protocol."""
        return self.world.test.users

    @property
    def units(self) -> tuple[str, ...]:
        """The users."""
        return self.users

    @property
    def train(self) -> View:
        """The training view."""
        return self.world.train

    @property
    def test(self) -> View:
        """The held-out view."""
        return self.world.test

    @property
    def catalogue_ids(self) -> Sequence[str]:
        """Every item of the world."""
        return self.world.dataset.catalog.ids

    @property
    def requests(self) -> Mapping[str, Request]:
        """One request per user: the liked training items; the first held-out like, and its words.

        History, reference and instruction, in this order.
        """
        liked, captions = self.test.liked_items, self.world.dataset.catalog.items["caption"]
        asked = {
            user: Request(
                user,
                history=self.train.liked_items.get(user, ()),
                reference=liked[user][0],
                instruction=str(captions[liked[user][0]]),
            )
            for user in self.users
        }
        table = self.samples if self.planned is None else self.planned
        rows = zip(table["sample_id"], table["user_id"], strict=True)
        return {str(sample): asked[str(user)] for sample, user in rows}

    @property
    def n_asked(self) -> Mapping[str, int]:
        """Images asked for per user."""
        table = self.samples if self.planned is None else self.planned
        return {str(unit): int(n) for unit, n in table["unit"].value_counts().items()}

    @property
    def histories(self) -> Mapping[str, tuple[str, ...]]:
        """Every sample's history."""
        return {sample: request.history for sample, request in self.requests.items()}

    @property
    def references(self) -> Mapping[str, str]:
        """Every sample's reference."""
        return {s: r.reference for s, r in self.requests.items() if r.reference is not None}

    @property
    def instructions(self) -> Mapping[str, str]:
        """Every sample's instruction."""
        return {s: r.instruction for s, r in self.requests.items() if r.instruction is not None}

    @property
    def targets(self) -> Mapping[str, str]:
        """Nobody knows what came next."""
        return {}

    @property
    def content(self) -> KnownContent | None:
        """Of the world."""
        return self.world.dataset.content

    def images(self, rows: Rows) -> list[Image]:
        """The pictures in these rows."""
        return [self.pictures[row] for row in rows]

    def outputs(self, rows: Rows) -> list[Any]:
        """The answers in these rows; the pictures where images were asked for."""
        return [self.answers[row] for row in rows] if self.answers else self.images(rows)

    def item_images(self, item_ids: Sequence[str]) -> list[Image]:
        """Catalogue pictures, held-out ones included."""
        return self.world.dataset.catalog.images(list(item_ids))

    def features(self, role: str, rows: Rows | None = None) -> Embeddings:
        """``(n samples, d)`` of the images, or of some rows."""
        pictures = self.pictures if rows is None else self.images(rows)
        encoded: Embeddings = open_role(self.world.stack, role).encode(pictures)
        return encoded

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """``(n items, d)`` of catalogue images."""
        encoded: Embeddings = open_role(self.world.stack, role).encode(self.item_images(item_ids))
        return encoded

    def text_features(self, role: str, texts: Sequence[str]) -> Embeddings:
        """``(n texts, d)`` beside the role's images."""
        encoded: Embeddings = open_role(self.world.stack, role).encode_texts(list(texts))
        return encoded

    def descriptions(self, role: str = "captioner") -> list[Description]:
        """What the toy captioner says about the images."""
        said: list[Description] = open_role(self.world.stack, role).describe(self.pictures)
        return said

    def item_descriptions(
        self, item_ids: Sequence[str], role: str = "captioner"
    ) -> list[Description]:
        """What the toy captioner says about catalogue pictures."""
        pictures = self.item_images(item_ids)
        said: list[Description] = open_role(self.world.stack, role).describe(pictures)
        return said

    def encoder_signature(self, role: str) -> str:
        """Signature of the toy model behind ``role``."""
        return str(self.model(role).signature)

    def model(self, role: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The toy model behind ``role``."""
        return open_role(self.world.stack, role)

    def taste(self, users: Sequence[str], rows: Rows | None = None) -> ScoreMatrix:
        """``(n samples, n users asked)`` planted like-probabilities."""
        taste = self.world.dataset.taste
        if taste is None:
            raise ValueError("the toy world has lost its taste")
        some = slice(None) if rows is None else rows
        return np.asarray(taste.utility(self.pictures, users)[some])

    @property
    def taste_signature(self) -> str | None:
        """Signature of the planted truth."""
        taste = self.world.dataset.taste
        return None if taste is None else taste.signature

    def reordered(self, order: Sequence[int]) -> ToyScores:
        """The same scored samples in another order."""
        samples = self.samples.iloc[list(order)].reset_index(drop=True)
        pictures = tuple(self.pictures[k] for k in order)
        answers = tuple(self.answers[k] for k in order) if self.answers else ()
        return replace(self, samples=samples, pictures=pictures, answers=answers, _memo={})

    def without(self, user_id: str) -> ToyScores:
        """A context in which no sample of ``user_id`` was delivered."""
        kept = np.flatnonzero((self.samples["user_id"] != user_id).to_numpy())
        return self.reordered([int(k) for k in kept])

    def delivered(self, rows: Sequence[int]) -> ToyScores:
        """A context in which all samples were asked for and only these rows delivered."""
        fitted = {k: v for k, v in self._memo.items() if k.startswith("instrument ")}
        kept = self.reordered(rows)
        return replace(kept, planned=self.samples, _memo=fitted)


def toy_score_context(
    n_images: int = 4, accuracy: float = 0.75, seed: int = 0, reads: str = IMAGE.name,
    world: ToyWorld | None = None,
) -> ToyScores:  # fmt: skip
    """Images, and answers, of a generator that meets each user's hue as often as ``accuracy``.

    Args:
        n_images: images per user.
        accuracy: 1 is an oracle, 1/6 ignores the user.
        seed: of the generator's draws.
        reads: kind of the answers: rankings have the items of the image's hue first; adapters are
            LoRAs of rank 1 that go with it.
        world: a toy world, by default the plain one.
    """
    world, rng = world or toy_world(), np.random.default_rng(seed)
    samples = world.samples(n_images)
    hues = [_hue(_family(world, s.request.user_id), accuracy, rng) for s in samples]
    images = tuple(draw(hue, rng.uniform(0.7, 0.95), 0.05, -0.05) for hue in hues)
    table = pd.DataFrame(
        {
            "sample_id": [s.sample_id for s in samples],
            "request_id": [s.request.request_id for s in samples],
            "unit": [s.request.user_id for s in samples],
            "user_id": [s.request.user_id for s in samples],
            "index": [s.index for s in samples],
        }
    )
    answers = tuple(_answer(reads, world, hue) for hue in hues) if reads != IMAGE.name else ()
    return ToyScores(world, table, images, answers)


def _family(world: ToyWorld, user: str) -> int:
    """Which of the six hues a user likes."""
    return round(6 * cast("HueTaste", world.dataset.taste).hues[user])


def _answer(reads: str, world: ToyWorld, hue: float) -> Any:  # noqa: ANN401  # of the kind
    """What a method that means ``hue`` answers with."""
    if reads == RANKING.name:
        known = dict(cast("HueContent", world.dataset.content).hues)
        hues = pd.Series(known).reindex(world.dataset.catalog.ids)
        away = (hues - hue + 0.5).mod(1.0).sub(0.5).abs()
        return Ranking(tuple(away.sort_values(kind="stable").index.astype(str)))
    up = np.array([[np.cos(2 * np.pi * hue)], [np.sin(2 * np.pi * hue)]], dtype=np.float32)
    down = np.ones((1, 2), dtype=np.float32)
    return Adapter({"unet.toy.lora_A.weight": down, "unet.toy.lora_B.weight": up})


def _hue(own: int, accuracy: float, rng: np.random.Generator) -> float:
    chance = (accuracy - 1 / 6) * 6 / 5
    family = own if rng.random() < chance else int(rng.integers(6))
    return family / 6 + float(rng.uniform(-0.02, 0.02))
