"""What people other than the benchmark's users think of pictures: panels of raters.

The aesthetic and the preference models of the sandbox are fitted on simulated opinions, as the
published ones are on collected ones. The raters come from the same world as the users (what
everybody finds beautiful is the same) but are other people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from persongen_bench.worlds.tasteworld.attributes import N_SCENES, Scenes, scene_index
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

FIRST_RATER = 1_000
"""Person with whom the panels start; data sets hold those with smaller numbers."""
N_RATERS = 200
RATERS_PER_PICTURE = 20
"""Opinions behind one mean rating."""

Numbers = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Panel:
    """Raters, by their numbers in the population."""

    people: People
    raters: Int[np.ndarray, " raters"]

    @classmethod
    def of_default_world(cls) -> Panel:
        """The raters of the default settings of people; about 2 seconds."""
        people = People.draw(PeopleConfig(), FIRST_RATER + N_RATERS)
        return cls(people, np.arange(FIRST_RATER, FIRST_RATER + N_RATERS))

    @cached_property
    def liking(self) -> Float[np.ndarray, "raters scenes"]:
        """How much every rater likes every scene, at first; leniency is not part of it."""
        people, scenes = np.meshgrid(self.raters, np.arange(N_SCENES), indexing="ij")
        flat = people.ravel(), scenes.ravel(), np.zeros(people.size)
        return self.people.values(*flat).reshape(people.shape)

    @cached_property
    def aesthetics(self) -> Float[np.ndarray, " scenes"]:
        """The mean liking of every scene over the panel: the population's taste."""
        return np.asarray(self.liking.mean(axis=0))

    def mean_ratings(self, scenes: Scenes, rng: np.random.Generator) -> Numbers:
        """Per picture the mean of `RATERS_PER_PICTURE` noisy ratings from 1 to 5."""
        shape = (len(scenes), RATERS_PER_PICTURE)
        raters = self.raters[rng.integers(0, len(self.raters), shape)].ravel()
        rows = np.repeat(scene_index(scenes), RATERS_PER_PICTURE)
        noise = rng.standard_normal(len(rows))
        ratings = self.people.rate(raters, rows, np.zeros(len(rows)), noise)
        return np.asarray(ratings.reshape(shape).mean(axis=1))

    def choice_probability(
        self, pair: tuple[Scenes, Scenes], wrong: Int[np.ndarray, "2 n"], text_weight: float
    ) -> Numbers:
        """Share of the panel that prefers the first of two pictures made for one text.

        A rater likes a picture for its scene, less ``text_weight`` for every attribute that
        contradicts the text (``wrong`` counts them), with the noise of a rating on each side.
        """
        first, second = (self.liking[:, scene_index(scenes)] for scenes in pair)
        margin = first - second - text_weight * (wrong[0] - wrong[1])
        return np.asarray(ndtr(margin / (np.sqrt(2) * self.people.config.noise)).mean(axis=0))


def n_wrong(
    scenes: Scenes, asked: Scenes, mentioned: Bool[np.ndarray, "n 5"]
) -> Int[np.ndarray, " n"]:
    """Attributes that a text mentions and a scene does not have."""
    return np.asarray(((scenes != asked) & mentioned).sum(axis=1))
