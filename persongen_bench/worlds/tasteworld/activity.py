"""Who looks at what, and when: long-tailed activity in sessions with near-duplicates.

A new motif is published every four hours. People look at motifs in that order: a person meets
some of them, drawn by popularity, and looks at one or more versions of each, one after the other.
Now and then they stop; a session begins within the hour after its newest motif came out.
Nobody sees a picture twice. So the latest rows of everybody show the latest motifs, and a cut in
time is one between motifs as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from persongen_bench.core.errors import ConfigError
from persongen_bench.worlds.tasteworld.motifs import MotifVersions
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

START = 1_704_067_200
"""Monday, 1 January 2024, 00:00 UTC, in Unix seconds: the first motif is published."""
PUBLISHED_EVERY = 4 * 3600
"""Seconds between two motifs."""
_SESSION = 2 * 3600
"""Seconds that a session takes at most."""
_PAUSE = 20
"""Seconds between two ratings of a session on average, fewer in a very long one."""


class ActivityConfig(PeopleConfig):
    """How much people rate, and what they are shown."""

    activity: float = Field(default=0.8, ge=0)
    """Standard deviation of the logarithm of how much people rate, beyond the least."""
    popularity: float = Field(default=0.5, ge=0)
    """Standard deviation of the logarithm of how often motifs are shown."""
    near_duplicates: float = Field(default=0.25, ge=0, lt=1)
    """Probability of looking at one more version of the same motif, while there is one."""
    session_motifs: float = Field(default=8.0, ge=1)
    """Motifs in a session on average."""


@dataclass(frozen=True)
class Visits:
    """What one person looked at, oldest first."""

    pictures: Int[np.ndarray, " n"]
    times: Int[np.ndarray, " n"]
    """Unix seconds, strictly increasing."""

    @property
    def progress(self) -> Float[np.ndarray, " n"]:
        """0 at the first row, 1 at the last one, in proportion to time."""
        span = max(1, int(self.times[-1] - self.times[0]))
        return np.asarray((self.times - self.times[0]) / span)


def counts(
    least: Sequence[int], total: int, most: int, spread: float, rng: np.random.Generator
) -> Int[np.ndarray, " people"]:
    """How many ratings everybody gives: ``least`` each, and log-normal parts of what is left.

    They add up to ``total``, short of rounding. Nobody gives more than ``most``; what that cuts
    off goes to the others. Raises `ConfigError` where the numbers do not fit.
    """
    floors = np.array(least)
    if floors.sum() > total or floors.max() > most or total > most * len(floors):
        raise ConfigError(
            f"{total} ratings by {len(floors)} people who give at least {floors.sum()} together "
            f"and at most {most} each",
            fix="Change n_ratings, n_users, n_panel, n_cold or n_items.",
        )
    shares = rng.lognormal(0.0, spread, len(floors))
    low, high = 0.0, float(total) / shares.min()
    for _ in range(100):  # the sum grows with the scale
        middle = (low + high) / 2
        if np.minimum(floors + middle * shares, most).sum() < total:
            low = middle
        else:
            high = middle
    return np.minimum(np.rint(floors + low * shares), most).astype(np.int64)


def visit(
    pictures: MotifVersions,
    weights: Float[np.ndarray, " motifs"],
    n: int,
    config: ActivityConfig,
    rng: np.random.Generator,
) -> Visits:
    """``n`` pictures that one person looks at; ``n`` may not exceed the number of motifs."""
    keys = np.log(weights) + rng.gumbel(size=len(weights))  # Gumbel top-n = weighted draws
    order = np.argsort(-keys, kind="stable")
    wanted = rng.geometric(1 - config.near_duplicates, len(order))
    versions = np.minimum(wanted, pictures.sizes[order])
    n_met = int(np.searchsorted(np.cumsum(versions), n)) + 1
    met, versions = order[:n_met], versions[:n_met]
    versions[-1] -= versions.sum() - n
    in_time = np.argsort(met)
    met, versions = met[in_time], versions[in_time]
    seen = _versions(pictures, met, versions, rng)
    return Visits(seen, _times(met, versions, config.session_motifs, rng))


def _versions(
    pictures: MotifVersions,
    met: Int[np.ndarray, " k"],
    versions: Int[np.ndarray, " k"],
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """``versions[i]`` random pictures of motif ``met[i]``, in random order, motif by motif."""
    sizes = pictures.sizes[met]
    place = np.repeat(np.arange(len(met)), sizes)
    within = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shuffled = np.lexsort((rng.random(len(place)), place))
    rows = (pictures.starts[met][place] + within)[shuffled]
    return np.asarray(rows[within < versions[place]])


def _times(
    met: Int[np.ndarray, " k"],
    versions: Int[np.ndarray, " k"],
    session_motifs: float,
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """Time of every row: sessions follow their newest motif, rows of a session one another."""
    ends = rng.random(len(met)) < 1 / session_motifs
    session: Int[np.ndarray, " n"] = np.repeat(np.cumsum(ends) - ends, versions)
    lengths = np.bincount(session)
    newest = np.zeros(len(lengths), dtype=np.int64)
    np.maximum.at(newest, session, np.repeat(met, versions))
    start = START + PUBLISHED_EVERY * newest + rng.integers(0, 3600, len(lengths))
    place = np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pause = np.clip(_SESSION // lengths, 1, _PAUSE)[session]
    return np.asarray(start[session] + place * pause + rng.integers(0, pause))
