"""Simulated boards: users with a known taste, images with known attributes, scores that add up.

A board is what the statistics see of a run: one score per image and user, and for whom each
image was made. Its size is the paper's (210 users, 30 images each; paper 001, section 4). The
score of image i by user u is ``leniency_u + quality_i + taste_u . attributes_i / sqrt(d)``, the
logit of the probability that u likes i.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from persongen_bench import stats
from persongen_bench.core.types import ScoreMatrix

ALPHA = 0.05
"""Level of every test in the controls."""


@dataclass(frozen=True)
class WorldConfig:
    """Size and variances of a simulated world; scores are in units of their taste term's sd."""

    n_users: int = 210
    n_images: int = 30
    """Images made for each user."""
    n_factors: int = 16
    """Attributes of an image."""
    shared_taste: float = 0.3
    """Share of the taste variance that all users have in common, in [0, 1]."""
    leniency_sd: float = 0.3
    """How much users differ in what they give to everything."""
    quality_sd: float = 0.3
    """How much images differ in what they get from everybody."""
    style_share: float = 0.4
    """Share of an image's attributes that its whole set has in common, in [0, 1]; it makes the
    intra-user correlation of own scores about 0.4."""


@dataclass(frozen=True)
class SimulatedWorld:
    """The users of one world."""

    config: WorldConfig
    tastes: Float[np.ndarray, "users d"]
    leniency: Float[np.ndarray, " users"]


@dataclass(frozen=True)
class SimulatedBoard:
    """The images that one generator made for every user of a world."""

    world: SimulatedWorld
    attributes: Float[np.ndarray, "n d"]
    quality: Float[np.ndarray, " n"]
    owners: Int[np.ndarray, " n"]

    @cached_property
    def scores(self) -> ScoreMatrix:
        """``(n, U)``: every image scored for every user, on the logit scale."""
        # Leniency and quality ride along in the product: one pass over the large matrix.
        scaled = self.attributes / np.sqrt(self.world.config.n_factors)
        images = np.column_stack([scaled, np.ones(len(scaled)), self.quality])
        users = np.column_stack(
            [self.world.tastes, self.world.leniency, np.ones(len(self.world.tastes))]
        )
        scores: ScoreMatrix = images @ users.T
        return scores

    @property
    def residuals(self) -> Float[np.ndarray, "users users"]:
        """What leniency and quality leave of the like-probabilities, as runs are tested."""
        likes = expit(self.scores)
        n_users = self.world.config.n_users
        return stats.residual_table(lambda users: likes[:, users], self.owners, n_users)[1]

    @cached_property
    def own_scores(self) -> Float[np.ndarray, " n"]:
        """``(n,)``: every image scored for the user it was made for."""
        own = np.einsum("nd,nd->n", self.attributes, self.world.tastes[self.owners])
        scaled = own / np.sqrt(self.world.config.n_factors)
        return np.asarray(scaled + self.world.leniency[self.owners] + self.quality)


def draw_world(config: WorldConfig, rng: np.random.Generator) -> SimulatedWorld:
    """Draw users: a taste that all share (of fixed strength) plus an individual part."""
    common = rng.normal(size=config.n_factors)
    common *= np.sqrt(config.n_factors) / np.linalg.norm(common)
    individual = rng.normal(size=(config.n_users, config.n_factors))
    share = config.shared_taste
    tastes = np.sqrt(share) * common + np.sqrt(1 - share) * individual
    return SimulatedWorld(config, tastes, rng.normal(0, config.leniency_sd, config.n_users))


def random_style(world: SimulatedWorld, rng: np.random.Generator) -> SimulatedBoard:
    """A generator that depends on the user but not on taste: an arbitrary style for each."""
    return _draw_board(world, np.zeros_like(world.tastes), rng)


def personalised(
    world: SimulatedWorld, rng: np.random.Generator, effect: float, lift: float = 0
) -> SimulatedBoard:
    """A generator that aims at each user's taste, with a style of its own for each user.

    Args:
        world: the users.
        rng: another one is another training seed: other styles, other images.
        effect: mean own score that aiming adds (exactly, in expectation over users).
        lift: planted effect, added to the quality of every image.
    """
    aims = effect * world.tastes / np.sqrt(world.config.n_factors)
    return _draw_board(world, aims, rng, lift)


def wrong_user(world: SimulatedWorld, rng: np.random.Generator, effect: float) -> SimulatedBoard:
    """`personalised` for another user each time (no user gets images made for the own taste)."""
    served = derangement(world.config.n_users, rng)
    aims = effect * world.tastes[served] / np.sqrt(world.config.n_factors)
    return _draw_board(world, aims, rng)


def derangement(n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """A random cyclic permutation of ``range(n)``; for n >= 2 nobody keeps the own place."""
    order = rng.permutation(n)
    served = np.empty(n, np.int64)
    served[order] = np.roll(order, 1)
    return served


def worlds(
    config: WorldConfig, n_worlds: int, seed: tuple[int, int]
) -> Iterator[tuple[SimulatedWorld, np.random.Generator]]:
    """Independent worlds, each with a generator for what is done in it.

    World i depends on ``seed`` and i alone, so more worlds extend the fewer.
    """
    for child in np.random.SeedSequence(seed).spawn(n_worlds):
        rng = np.random.default_rng(child)
        yield draw_world(config, rng), rng


def binomial_margin(rate: float, n_worlds: int) -> float:
    """Three standard errors of a rate observed over ``n_worlds``."""
    return 3 * float(np.sqrt(rate * (1 - rate) / n_worlds))


def _draw_board(
    world: SimulatedWorld,
    aims: Float[np.ndarray, "users d"],
    rng: np.random.Generator,
    lift: float = 0,
) -> SimulatedBoard:
    config = world.config
    owners = np.repeat(np.arange(config.n_users), config.n_images)
    styles = aims + rng.normal(0, np.sqrt(config.style_share), aims.shape)
    content = rng.normal(0, np.sqrt(1 - config.style_share), (len(owners), config.n_factors))
    quality = rng.normal(lift, config.quality_sd, len(owners))
    return SimulatedBoard(world, styles[owners] + content, quality, owners)
