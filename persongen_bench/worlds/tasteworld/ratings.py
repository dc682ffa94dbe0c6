"""The rating log of a population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.worlds.tasteworld.activity import ActivityConfig, Visits, counts, visit
from persongen_bench.worlds.tasteworld.attributes import scene_index
from persongen_bench.worlds.tasteworld.labels import item_id
from persongen_bench.worlds.tasteworld.motifs import MotifVersions
from persongen_bench.worlds.tasteworld.people import People, user_id
from persongen_bench.worlds.tasteworld.people_config import LIKE

_ACTIVITY, _POPULARITY, _VISITS, _NOISE = range(10, 14)
"""Streams of random numbers, beside those of `people`."""


@dataclass(frozen=True)
class RatingPlan:
    """How many ratings there are to be."""

    total: int
    """Of everybody together."""
    least: Sequence[int]
    """Of each person; its length is the number of people."""


def rating_log(
    people: People, pictures: MotifVersions, plan: RatingPlan, config: ActivityConfig
) -> pd.DataFrame:
    """Rows of `INTERACTION_COLUMNS`, person by person, oldest first.

    Nobody rates more pictures than there are motifs. Ratings follow the taste of the moment.
    """
    rngs = [np.random.default_rng([config.seed, stream]) for stream in (_ACTIVITY, _POPULARITY)]
    amounts = counts(plan.least, plan.total, pictures.n_motifs, config.activity, rngs[0])
    weights = rngs[1].lognormal(0.0, config.popularity, pictures.n_motifs)
    visits = [
        visit(pictures, weights, n, config, np.random.default_rng([config.seed, _VISITS, number]))
        for number, n in enumerate(amounts.tolist())
    ]
    return _rows(visits, _ratings(people, pictures, visits))


def _ratings(people: People, pictures: MotifVersions, visits: Sequence[Visits]) -> np.ndarray:
    scenes = scene_index(pictures.scenes)
    sizes = [len(visit.pictures) for visit in visits]
    seed = people.config.seed
    noise = [
        np.random.default_rng([seed, _NOISE, number]).normal(size=n)
        for number, n in enumerate(sizes)
    ]
    return people.rate(
        np.repeat(np.arange(len(visits)), sizes),
        scenes[np.concatenate([visit.pictures for visit in visits])],
        np.concatenate([visit.progress for visit in visits]),
        np.concatenate(noise),
    )


def _rows(visits: Sequence[Visits], ratings: np.ndarray) -> pd.DataFrame:
    sizes = [len(visit.pictures) for visit in visits]
    users = np.array([user_id(number) for number in range(len(visits))], dtype=object)
    seen = np.concatenate([visit.pictures for visit in visits])
    distinct, place = np.unique(seen, return_inverse=True)
    ids = np.array([item_id(number) for number in distinct.tolist()], dtype=object)
    times = np.concatenate([visit.times for visit in visits]).astype(np.float64)
    columns = (np.repeat(users, sizes), ids[place], ratings.astype(np.float64))
    values = dict(zip(INTERACTION_COLUMNS, (*columns, ratings >= LIKE, times), strict=True))
    return pd.DataFrame(values).astype({"user_id": "str", "item_id": "str"})
