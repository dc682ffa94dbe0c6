"""Simulated raters with images to judge: what taste instruments see, where the truth is planted.

``logit P(u likes i) = mean + leniency_u + quality_i + taste_u . attributes_i``, the last term with
variance ``taste_sd ** 2``; without it this is the Rasch model. An image's embedding is its
attributes, so that instruments which look at embeddings can see quality and taste. Everybody rates
images drawn by lot; some of these ratings are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.special import expit, logit

from persongen_bench.core.dataset import View
from persongen_bench.core.types import Catalog, Embeddings, Image, Rows, ScoreMatrix
from persongen_bench.testing.memo import Memoised

Sets = Int[np.ndarray, "users images"]
"""Per user the items that a method gives."""
_PROBIT = 0.346
"""``E s(m + N(0, v)) ~ s(m / sqrt(1 + 0.346 v))``, within 0.02 (MacKay 1992)."""
_NARROW = 0.5
"""Standard deviation of quality within a set of `by_quality`, in units of its spread."""


@dataclass(frozen=True)
class RatedConfig:
    """Size and variances; standard deviations are on the logit scale."""

    n_users: int = 72
    n_items: int = 1500
    trained: int = 60
    """Training ratings of every user."""
    held_out: int = 20
    """Held-out ratings of every user."""
    n_factors: int = 16
    base_rate: float = 0.5
    """Share of likes, about."""
    leniency_sd: float = 1.0
    quality_sd: float = 1.0
    taste_sd: float = 0.0


class _NoPictures:
    """A source that has none: instruments here look at embeddings."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        raise NotImplementedError


@dataclass(frozen=True)
class RatedWorld:
    """People, images and their ratings."""

    embeddings: Embeddings
    """``(items, d)``."""
    quality: Float[np.ndarray, " items"]
    leniency: Float[np.ndarray, " users"]
    logits: Float[np.ndarray, "users items"]
    train: View
    test: View

    @property
    def users(self) -> tuple[str, ...]:
        """Their ids, in order."""
        return tuple(_name("u", k) for k in range(len(self.leniency)))


def draw(config: RatedConfig, rng: np.random.Generator) -> RatedWorld:
    """Draw people, images and ratings."""
    x = rng.normal(size=(config.n_items, config.n_factors))
    direction = rng.normal(size=config.n_factors)
    quality = config.quality_sd * x @ (direction / np.linalg.norm(direction))
    tastes = rng.normal(size=(config.n_users, config.n_factors)) / np.sqrt(config.n_factors)
    leniency = rng.normal(0, config.leniency_sd, config.n_users)
    variance = config.leniency_sd**2 + config.quality_sd**2 + config.taste_sd**2
    mean = float(logit(config.base_rate)) * np.sqrt(1 + _PROBIT * variance)
    logits = mean + leniency[:, None] + quality + config.taste_sd * tastes @ x.T
    shown = np.argsort(rng.random(logits.shape), axis=1)[:, : config.trained + config.held_out]
    likes = rng.random(shown.shape) < expit(np.take_along_axis(logits, shown, axis=1))
    parts = [slice(0, config.trained), slice(config.trained, None)]
    train, test = (_view(shown[:, p], likes[:, p], config.n_items) for p in parts)
    return RatedWorld(x.astype(np.float32), quality, leniency, logits, train, test)


def own_likes(world: RatedWorld, n_images: int, rng: np.random.Generator) -> Sets:
    """A method that gives people pictures they liked before: personal where there is taste.

    Where there is none, strict people still get better pictures than lenient ones. Who has fewer
    likes gets some of them again, who has none gets pictures they disliked.
    """
    rows = world.train.interactions
    chosen = []
    for user in world.users:
        own = rows[rows["user_id"] == user]
        liked = own[own["liked"]] if own["liked"].any() else own
        items = np.array([int(i[1:]) for i in liked["item_id"]])
        chosen.append(rng.choice(items, n_images, replace=len(items) < n_images))
    return np.stack(chosen)


def by_quality(
    world: RatedWorld, n_images: int, correlation: float, rng: np.random.Generator
) -> Sets:
    """A method without taste whose sets are the better, the more lenient their owner.

    ``correlation``: of leniency with the quality that a set aims at.
    """
    standard = (world.leniency - world.leniency.mean()) / world.leniency.std()
    noise = np.sqrt(1 - correlation**2) * rng.normal(size=len(standard))
    aims = world.quality.std() * (correlation * standard + noise)
    width = 2 * (_NARROW * world.quality.std()) ** 2
    keys = -((world.quality - aims[:, None]) ** 2) / width
    return np.argsort(-(keys + rng.gumbel(size=keys.shape)), axis=1)[:, :n_images]


@dataclass
class RatedContext(Memoised):
    """The part of a `ScoreContext` that taste instruments use: sets of catalogue items."""

    world: RatedWorld
    sets: Sets
    taste_signature: str = "planted"
    _memo: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per image, by user."""
        owners = np.repeat(np.array(self.world.users, dtype=object), self.sets.shape[1])
        ids = [f"s{k:05d}" for k in range(self.sets.size)]
        return pd.DataFrame({"sample_id": ids, "request_id": owners, "unit": owners,
                             "user_id": owners, "index": np.arange(len(ids))})  # fmt: skip

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody."""
        return self.world.users

    @property
    def units(self) -> tuple[str, ...]:
        """Everybody."""
        return self.world.users

    @property
    def train(self) -> View:
        """What methods and verifiers learn from."""
        return self.world.train

    @property
    def test(self) -> View:
        """The pools of the neighbour instrument."""
        return self.world.test

    def features(
        self,
        role: str,  # noqa: ARG002  # one space for every role
        rows: Sequence[int] | None = None,
    ) -> Embeddings:
        """Of the given images."""
        every = self.sets.ravel()
        chosen = every if rows is None else every[list(rows)]
        return np.asarray(self.world.embeddings[chosen])

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:  # noqa: ARG002
        """Of catalogue items."""
        return np.asarray(self.world.embeddings[[int(i[1:]) for i in item_ids]])

    def encoder_signature(self, role: str) -> str:
        """Attributes are seen as they are."""
        return f"{role} of attributes"

    def taste(self, users: Sequence[str], rows: Rows | None = None) -> ScoreMatrix:
        """``(n, users asked)`` true like-probabilities."""
        people = np.array([int(user[1:]) for user in users])
        shown = self.sets.ravel() if rows is None else self.sets.ravel()[np.asarray(rows)]
        return np.asarray(expit(self.world.logits[people][:, shown]).T)


def _name(kind: str, number: int) -> str:
    return f"{kind}{number:05d}"


def _view(shown: np.ndarray, likes: np.ndarray, n_items: int) -> View:
    items = pd.DataFrame(index=pd.Index([_name("i", k) for k in range(n_items)], name="item_id"))
    rows = pd.DataFrame(
        {
            "user_id": np.repeat([_name("u", k) for k in range(len(shown))], shown.shape[1]),
            "item_id": [_name("i", int(k)) for k in shown.ravel()],
            "rating": likes.ravel().astype(float),
            "liked": likes.ravel(),
            "timestamp": np.nan,
        }
    )
    return View(Catalog(items, _NoPictures()), rows)
