"""A simulated FLICKR-AES: its size and its shape, with pictures and people of our own.

What is known of the real one is kept: 210 workers, 40,988 images, 193,208 ratings from 1 to 5 of
which about 30% are likes (REBECA, sections 4.1 and 4.3.2), 48 to 17,895 ratings a worker (its
released code), at most five workers an image, nobody an image twice, and 37 test workers with 105
to 171 ratings each (as papers on image aesthetics report). What is not known is ours: an image is a
scene of tasteworld, a worker one of its people without drift, and a rating says between which of
the shares of `PeopleConfig.rating_shares` taste, leniency and noise lie. The shares are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt64

from persongen_bench.core.errors import ConfigError
from persongen_bench.worlds.tasteworld.activity import counts
from persongen_bench.worlds.tasteworld.attributes import Scenes, draw_scenes, scene_index
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

N_USERS, N_RATINGS, N_IMAGES = 210, 193_208, 40_988
RATERS = 5
"""Workers who rate an image, at most."""
FEWEST, MOST = 48, 17_895
"""Ratings of a worker, at the published size."""
TESTERS = 37 / N_USERS
TESTER_RATINGS = (105, 171)
"""Share of the test workers, and how many ratings each gives."""
_ACTIVITY = 1.35
"""Spread of the logarithm of how much people rate, beyond the fewest: the second most active then
stays below the most active one."""
_ROUNDS = 24
"""How often every pair of worker and image is offered an exchange."""
_COUNTS, _PAIRS, _IMAGES, _NOISE = range(40, 44)
"""Streams of random numbers."""


@dataclass(frozen=True)
class FlickrPlan:
    """Sizes; the published ones by default."""

    n_users: int = N_USERS
    n_ratings: int = N_RATINGS
    n_images: int = N_IMAGES
    size: int = 64
    """Pixels a side of a picture."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `ConfigError` where the numbers do not go together."""
        if self.n_users < RATERS or self.n_ratings < 2 * self.n_users:
            raise ConfigError(
                f"{self.n_users} workers with {self.n_ratings:,} ratings",
                fix=f"Use at least {RATERS} workers and two ratings each.",
            )
        if not self.n_images <= self.n_ratings <= RATERS * self.n_images:
            raise ConfigError(
                f"{self.n_ratings:,} ratings of {self.n_images:,} images",
                fix=f"An image has 1 to {RATERS} ratings: change --ratings or --images.",
            )
        if 1.5 * self.n_ratings > self.n_users * self.n_images:
            raise ConfigError(
                f"{self.n_ratings:,} ratings of {self.n_images:,} images by {self.n_users} workers",
                fix="Nobody rates an image twice: use more --images or --users.",
            )
        if not 8 <= self.size <= 1024:
            raise ConfigError(f"pictures of {self.size} pixels", fix="Use 8 to 1024.")

    @property
    def n_testers(self) -> int:
        """Test workers: the same share as in the published data, at least one."""
        return max(1, round(TESTERS * self.n_users))


@dataclass(frozen=True)
class FlickrWorld:
    """Ratings, by worker and image, and what the images show."""

    plan: FlickrPlan
    user: Int[np.ndarray, " ratings"]
    image: Int[np.ndarray, " ratings"]
    score: Int[np.ndarray, " ratings"]
    """1 to 5."""
    scenes: Scenes
    seeds: UInt64[np.ndarray, " images"]
    """What the renderer draws position, turn and size from."""

    @property
    def mean_score(self) -> Float[np.ndarray, " images"]:
        """Mean score of every image as a share of 5, in [0.2, 1]."""
        n = len(self.scenes)
        total = np.bincount(self.image, self.score, minlength=n)
        return np.asarray(total / np.bincount(self.image, minlength=n) / 5)


def make_world(plan: FlickrPlan) -> FlickrWorld:
    """All of it from the seed; seconds at the published size. Test workers come first."""
    rngs = {s: np.random.default_rng([plan.seed, s]) for s in (_COUNTS, _PAIRS, _IMAGES, _NOISE)}
    scenes = draw_scenes(plan.n_images, rngs[_IMAGES])
    seeds = rngs[_IMAGES].integers(0, 2**63, plan.n_images).astype(np.uint64)
    user, image = pairs(user_counts(plan, rngs[_COUNTS]), plan.n_images, rngs[_PAIRS])
    score = _scores(plan, user, scene_index(scenes)[image], rngs[_NOISE])
    return FlickrWorld(plan, user, image, score, scenes, seeds)


def user_counts(plan: FlickrPlan, rng: np.random.Generator) -> Int[np.ndarray, " users"]:
    """How much everybody rates, exactly ``n_ratings`` together; test workers first.

    At a smaller size the bounds shrink: nobody need give more than half the mean, nobody gives
    more than the published share of the images or twice the mean.
    """
    mean, n_testers = plan.n_ratings / plan.n_users, plan.n_testers
    low, high = (
        int(min(bound, k * mean)) for k, bound in zip((1, 1.5), TESTER_RATINGS, strict=True)
    )
    testers = rng.integers(low, high + 1, n_testers)
    fewest = int(min(FEWEST, mean / 2))
    least = [fewest] * (plan.n_users - n_testers)
    most = min(plan.n_images, max(round(MOST / N_IMAGES * plan.n_images), int(2 * mean)))
    total = plan.n_ratings - int(testers.sum())
    others = counts(least, total, most, _ACTIVITY, rng)
    others[others.argmin()], others[others.argmax()] = fewest, most
    return np.concatenate([testers, _adding_up(others, total, fewest, most)])


def _adding_up(
    amounts: Int[np.ndarray, " n"], total: int, least: int, most: int
) -> Int[np.ndarray, " n"]:
    """``amounts`` with as much added, or taken, in proportion, as makes them ``total``.

    Those at a bound stay there.
    """
    free = (amounts > least) & (amounts < most)
    missing = total - int(amounts.sum())
    room = np.where(free, most - 1 - amounts if missing > 0 else amounts - least - 1, 0)
    if room.sum() < abs(missing):
        free, room = np.ones_like(free), most - amounts if missing > 0 else amounts - least
    ends = np.round(np.cumsum(room) * (abs(missing) / max(1, room.sum()))).astype(np.int64)
    return np.asarray(amounts + np.sign(missing) * np.diff(ends, prepend=0))


def pairs(
    amounts: Int[np.ndarray, " users"], n_images: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " ratings"], Int[np.ndarray, " ratings"]]:
    """Who rates what: user u rates ``amounts[u]`` different images, all images about as often.

    Users are dealt the images in turn, then pairs exchange their images where nobody gets one
    twice, which leaves both counts as they are.
    """
    user = np.repeat(np.arange(len(amounts)), amounts)
    image = rng.permutation(n_images)[np.arange(len(user)) % n_images]
    for _ in range(_ROUNDS):
        order = rng.permutation(len(user))
        half = len(order) // 2
        left, right = order[:half], order[half : 2 * half]
        known = user * n_images + image
        wanted = np.stack(
            [user[left] * n_images + image[right], user[right] * n_images + image[left]]
        )
        single = np.unique(wanted, return_inverse=True, return_counts=True)
        once = single[2][single[1].reshape(wanted.shape)] == 1
        fine = (once & ~np.isin(wanted, known)).all(axis=0)
        left, right = left[fine], right[fine]
        image[left], image[right] = image[right], image[left]
    return user, image


def _scores(
    plan: FlickrPlan,
    user: Int[np.ndarray, " n"],
    scene: Int[np.ndarray, " n"],
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """Scores 1 to 5 in exactly the shares of `PeopleConfig`, to one rating."""
    config = PeopleConfig(seed=plan.seed)
    people = People.draw(config, plan.n_users)
    value = people.values(user, scene, np.zeros(len(user))) + people.leniency[user]
    seen = value + config.noise * rng.normal(size=len(user))
    edges = np.round(np.cumsum(config.rating_shares)[:-1] * len(user))
    place = np.empty(len(user), dtype=np.int64)
    place[np.argsort(seen, kind="stable")] = np.arange(len(user))
    return np.asarray(1 + np.searchsorted(edges, place, side="right"), dtype=np.int64)
