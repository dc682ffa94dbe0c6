"""A score context in memory: the toy world's users, each with images made for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from persongen_bench.testing.toy import ToyWorld, draw, toy_world
from persongen_bench.types import Embeddings, Image, ScoreMatrix, View


@dataclass(frozen=True)
class ToyScores:
    """Implements `protocols.ScoreContext` on images held in memory."""

    world: ToyWorld
    samples: pd.DataFrame
    images: tuple[Image, ...]
    """Row i of ``samples`` is image i."""

    @property
    def users(self) -> tuple[str, ...]:
        """Every user of the protocol."""
        return self.world.test.users

    @property
    def train(self) -> View:
        """The training view."""
        return self.world.train

    @property
    def test(self) -> View:
        """The held-out view."""
        return self.world.test

    @property
    def histories(self) -> Mapping[str, tuple[str, ...]]:
        """Every user's liked training items."""
        return self.train.liked_items

    @property
    def n_asked(self) -> Mapping[str, int]:
        """Images per user; all are delivered here."""
        return {str(user): int(n) for user, n in self.samples["user_id"].value_counts().items()}

    def features(self, role: str) -> Embeddings:
        """``(n samples, d)`` of the images."""
        encoded: Embeddings = self.world.stack.role(role).encode(self.images)
        return encoded

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """``(n items, d)`` of catalogue images, held-out ones included."""
        pictures = self.world.dataset.catalog.images(list(item_ids))
        encoded: Embeddings = self.world.stack.role(role).encode(pictures)
        return encoded

    def encoder_signature(self, role: str) -> str:
        """Signature of the toy model behind ``role``."""
        return str(self.world.stack.role(role).signature)

    def taste_matrix(self) -> ScoreMatrix:
        """``(n samples, n users)`` planted like-probabilities."""
        taste = self.world.dataset.taste
        if taste is None:
            raise ValueError("the toy world has lost its taste")
        return taste.utility(self.images, self.users)

    @property
    def taste_signature(self) -> str | None:
        """Signature of the planted truth."""
        taste = self.world.dataset.taste
        return None if taste is None else taste.signature

    def reordered(self, order: Sequence[int]) -> ToyScores:
        """The same scored samples in another order."""
        samples = self.samples.iloc[list(order)].reset_index(drop=True)
        return replace(self, samples=samples, images=tuple(self.images[k] for k in order))

    def without(self, user_id: str) -> ToyScores:
        """A context in which no sample of ``user_id`` was delivered."""
        kept = np.flatnonzero((self.samples["user_id"] != user_id).to_numpy())
        return self.reordered([int(k) for k in kept])


def toy_score_context(n_images: int = 4, accuracy: float = 0.75, seed: int = 0) -> ToyScores:
    """Images of a generator that meets each user's hue with probability ``accuracy``.

    Args:
        n_images: images per user.
        accuracy: 1 is an oracle, 1/6 ignores the user.
        seed: of the generator's draws.
    """
    world, rng = toy_world(), np.random.default_rng(seed)
    samples = world.samples(n_images)
    hues = [_hue(world.train.users.index(s.request.user_id), accuracy, rng) for s in samples]
    images = tuple(draw(hue, rng.uniform(0.7, 0.95), 0.05, -0.05) for hue in hues)
    table = pd.DataFrame(
        {
            "sample_id": [s.sample_id for s in samples],
            "user_id": [s.request.user_id for s in samples],
            "index": [s.index for s in samples],
        }
    )
    return ToyScores(world, table, images)


def _hue(own: int, accuracy: float, rng: np.random.Generator) -> float:
    chance = (accuracy - 1 / 6) * 6 / 5
    family = own if rng.random() < chance else int(rng.integers(6))
    return family / 6 + float(rng.uniform(-0.02, 0.02))
