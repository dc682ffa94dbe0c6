"""Simulated people: what they like, how leniently and how reliably they rate, and how they change.

How much a person likes a scene is a sum of three preferences (`preferences`), with variances over
the scenes that are settings: what *everybody* finds beautiful, what the person's *cluster* likes,
and what is the person's *own*. A rating from 1 to 5 says between which thresholds the sum of that
value, the person's leniency and fresh normal noise lies; 4 and 5 are likes. The thresholds
are those at which normal values would be rated in the configured shares.

The own preference of some people drifts: from their first to their last rating it turns into
another one, uncorrelated with the first for a drift of 1. True taste is the one they end with.

With the setting ``taste="by-content"`` all three turn into their opposite, in what background and
style add, between two groups of shapes (`by_content`).

Person ``n`` of a seed is the same in every population, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr

from persongen_bench.core.errors import DataError
from persongen_bench.core.types import ScoreMatrix, content_hash
from persongen_bench.util.batching import blocks
from persongen_bench.worlds.tasteworld.attributes import N_SCENES, Scenes, scene_index
from persongen_bench.worlds.tasteworld.by_content import by_content
from persongen_bench.worlds.tasteworld.people_config import LIKE, PeopleConfig
from persongen_bench.worlds.tasteworld.preferences import Grid, Preference

_EVERYBODY, _CLUSTER, _PERSON = range(3)
"""Streams of random numbers: a stream with a number never meets another one."""
_PEOPLE = 256
"""People whose likes are worked out at a time; bounds memory, changes nothing."""


@dataclass(frozen=True, eq=False)
class People:
    """A population: person ``n`` is row ``n`` of every array."""

    config: PeopleConfig
    cluster: Int[np.ndarray, " people"]
    leniency: Float[np.ndarray, " people"]
    drifts: Float[np.ndarray, " people"]
    """Angle in radians by which the own preference turns; 0 for most."""
    shared: Float[np.ndarray, "people scenes"]
    """What everybody and the cluster contribute."""
    own: Float[np.ndarray, "people scenes"]
    """What is the person's own, at first."""
    turned: Float[np.ndarray, "people scenes"]
    """What it would be after a right angle."""

    @classmethod
    def draw(cls, config: PeopleConfig, n: int) -> People:
        """The first ``n`` people of the seed; 1 ms each."""
        common = _Common.draw(config)
        cluster, (leniency, drifts) = np.empty(n, dtype=np.int64), np.empty((2, n))
        shared, own, turned = (np.empty((n, N_SCENES)) for _ in range(3))
        for number in range(n):
            person = _Person.draw(config, common, number)
            cluster[number] = person.cluster
            leniency[number], drifts[number] = person.leniency, person.drift
            shared[number], own[number], turned[number] = person.shared, person.own, person.turned
        if config.taste == "by-content":
            shared, own, turned = (by_content(part) for part in (shared, own, turned))
        return cls(config, cluster, leniency, drifts, shared, own, turned)

    def __len__(self) -> int:
        return len(self.cluster)

    @property
    def ids(self) -> list[str]:
        """User ids in the order of the arrays."""
        return [user_id(number) for number in range(len(self))]

    @property
    def signature(self) -> str:
        """Everything the tastes depend on; equal for populations of one config."""
        return f"tasteworld-people|config:{content_hash(self.config.identity)}|impl:1"

    def values(
        self,
        people: Int[np.ndarray, " n"],
        scenes: Int[np.ndarray, " n"],
        progress: Float[np.ndarray, " n"],
    ) -> Float[np.ndarray, " n"]:
        """How much each person likes each scene (by its number) at a time of their life.

        ``progress``: 0 at their first rating, 1 at their last one. Leniency is not part of it.
        """
        angle = self.drifts[people] * progress
        own, turned = self.own[people, scenes], self.turned[people, scenes]
        now = np.cos(angle) * own + np.sin(angle) * turned
        return np.asarray(self.shared[people, scenes] + now)

    @property
    def final(self) -> Float[np.ndarray, "people scenes"]:
        """How much each person likes every scene in the end; not kept, for it is large."""
        return self.final_of(slice(None))

    def final_of(
        self, people: slice | Int[np.ndarray, " n"] | list[int]
    ) -> Float[np.ndarray, "n scenes"]:
        """`final` of some people."""
        along, across = (part[people] for part in self._turns)
        own, turned = along * self.own[people], across * self.turned[people]
        return np.asarray(self.shared[people] + own + turned)

    @cached_property
    def _turns(self) -> tuple[Float[np.ndarray, "people 1"], Float[np.ndarray, "people 1"]]:
        angle = self.drifts[:, None]
        return np.cos(angle), np.sin(angle)

    @cached_property
    def like_probability(self) -> Float[np.ndarray, "people scenes"]:
        """The true taste: the probability in [0, 1] that a person likes a scene in the end."""
        likes, threshold = np.empty_like(self.shared), self.config.thresholds[LIKE - 2]
        for part in blocks(len(self), _PEOPLE):
            margin = self.final_of(part) + self.leniency[part, None] - threshold
            likes[part] = ndtr(margin / self.config.noise)
        return likes

    def rating_probability(self, person: int) -> Float[np.ndarray, "scenes 5"]:
        """Probability of every rating of every scene by one person in the end."""
        margin = self.final_of([person])[0] + self.leniency[person]
        above = ndtr((margin[:, None] - self.config.thresholds) / self.config.noise)
        edges = np.concatenate([np.ones((N_SCENES, 1)), above, np.zeros((N_SCENES, 1))], axis=1)
        return np.asarray(edges[:, :-1] - edges[:, 1:])

    def rate(
        self,
        people: Int[np.ndarray, " n"],
        scenes: Int[np.ndarray, " n"],
        progress: Float[np.ndarray, " n"],
        noise: Float[np.ndarray, " n"],
    ) -> Int[np.ndarray, " n"]:
        """Ratings 1 to 5; ``noise``: standard normal numbers, one per rating."""
        value = self.values(people, scenes, progress) + self.leniency[people]
        seen = value + self.config.noise * noise
        return np.asarray(1 + np.searchsorted(self.config.thresholds, seen), dtype=np.int64)

    def utility_of_scenes(self, scenes: Scenes, user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n scenes, n users)`` probability in [0, 1] of a like, exact; unknown ids raise."""
        rows, columns = self.numbers(user_ids), scene_index(scenes)
        likes: ScoreMatrix = self.like_probability.T[columns[:, None], rows]
        return likes

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.ids)}

    def numbers(self, user_ids: Sequence[str]) -> list[int]:
        """Rows of the users; an id of nobody raises `DataError`."""
        known = self._numbers
        unknown = [user for user in user_ids if user not in known]
        if unknown:
            raise DataError(
                f"user {unknown[0]!r} has no known taste",
                fix=f"Use {user_id(0)} to {user_id(len(self) - 1)}.",
            )
        return [known[user] for user in user_ids]


def user_id(number: int) -> str:
    """The id of person ``number``, such as ``person-0007``."""
    return f"person-{number:04d}"


@dataclass(frozen=True)
class _Common:
    """What people have in common: uncorrelated preferences of everybody and of the clusters."""

    everybody: Preference
    clusters: list[Preference]

    @classmethod
    def draw(cls, config: PeopleConfig) -> _Common:
        everybody = Preference.draw(_rng(config, _EVERYBODY))
        clusters: list[Preference] = []
        for number in range(config.n_clusters):
            drawn = Preference.draw(_rng(config, _CLUSTER, number))
            clusters.append(drawn.without(everybody, *clusters))
        return cls(everybody, clusters)


@dataclass(frozen=True)
class _Person:
    cluster: int
    leniency: float
    drift: float
    shared: Grid
    own: Grid
    turned: Grid

    @classmethod
    def draw(cls, config: PeopleConfig, common: _Common, number: int) -> _Person:
        rng = _rng(config, _PERSON, number)
        cluster = int(rng.integers(config.n_clusters))
        leniency = config.leniency * rng.normal()
        drift = config.drift * np.pi / 2 if rng.random() < config.drift_share else 0.0
        shared = (common.everybody, common.clusters[cluster])
        own = Preference.draw(rng).without(*shared)
        turned = Preference.draw(rng).without(*shared, own)
        return cls(
            cluster,
            leniency,
            drift,
            _part(config, config.aesthetics_share, shared[0])
            + _part(config, config.cluster_share, shared[1]),
            _part(config, config.individual_share, own),
            _part(config, config.individual_share, turned),
        )


def _rng(config: PeopleConfig, *stream: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, *stream])


def _part(config: PeopleConfig, share: float, preference: Preference) -> Grid:
    return np.asarray(np.sqrt(share) * preference.values(config.interaction_share))
