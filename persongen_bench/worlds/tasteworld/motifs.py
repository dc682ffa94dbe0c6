"""The pictures there are: motifs and their versions.

A motif is a scene and a family of near-duplicates of it, published together: the same scene with
another position and turn, or with one attribute changed. No scene belongs to two motifs, so that a
split by motif leaves no second version of a held-out scene in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from persongen_bench.worlds.tasteworld.attributes import (
    COUNTS,
    N_SCENES,
    Scenes,
    scene_at,
    scene_index,
)

MAX_MOTIFS = 2400
"""Motifs at most; the other scenes of the 4,410 are left to the versions."""
VERSIONS = 2.0
"""Versions of a motif on average, while there are fewer than `MAX_MOTIFS` motifs."""
CHANGED = 0.5
"""Share of the further versions that try to change an attribute."""
MAX_SEED = 2**63


@dataclass(frozen=True)
class MotifVersions:
    """All pictures, motif by motif; the motifs in the order in which they are published."""

    motif: Int[np.ndarray, " n"]
    """Number of the motif, ascending from 0."""
    scenes: Scenes
    seeds: Int[np.ndarray, " n"]
    """What the renderer draws position, turn and size from."""

    @classmethod
    def draw(cls, n: int, rng: np.random.Generator) -> MotifVersions:
        """``n`` pictures; the first version of a motif shows its own scene."""
        n_motifs = max(1, min(int(n / VERSIONS), MAX_MOTIFS))
        weights = rng.gamma(1.0, size=n_motifs)
        sizes = 1 + rng.multinomial(n - n_motifs, weights / weights.sum())
        motif = np.repeat(np.arange(n_motifs), sizes)
        own = rng.permutation(N_SCENES)[:n_motifs]
        changed = _change_one(scene_at(own)[motif], rng)
        first = np.diff(motif, prepend=-1) > 0
        wanted = ~first & (rng.random(n) < CHANGED)
        scenes = _without_foreign(own, motif, np.where(wanted, scene_index(changed), own[motif]))
        return cls(motif, scene_at(scenes), rng.integers(0, MAX_SEED, n))

    @property
    def n_motifs(self) -> int:
        """How many motifs there are."""
        return int(self.motif[-1]) + 1

    @property
    def starts(self) -> Int[np.ndarray, " motifs"]:
        """Row of the first version of every motif."""
        return np.flatnonzero(np.diff(self.motif, prepend=-1))

    @property
    def sizes(self) -> Int[np.ndarray, " motifs"]:
        """Number of versions of every motif."""
        return np.bincount(self.motif)


def _change_one(scenes: Scenes, rng: np.random.Generator) -> Scenes:
    """The scenes with one attribute, drawn evenly, set to another value, drawn evenly."""
    counts = np.array(COUNTS)
    column = rng.integers(0, len(COUNTS), len(scenes))
    step = 1 + rng.integers(0, counts[column] - 1)
    changed = scenes.copy()
    rows = np.arange(len(scenes))
    changed[rows, column] = (changed[rows, column] + step) % counts[column]
    return changed


def _without_foreign(
    own: Int[np.ndarray, " motifs"], motif: Int[np.ndarray, " n"], scenes: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """The scenes, those of another motif replaced by the own scene of the motif.

    A scene belongs to the motif whose own scene it is, or else to the first one that wants it.
    """
    claims = np.concatenate([own, scenes])
    claimant = np.concatenate([np.arange(len(own)), motif])
    distinct, first = np.unique(claims, return_index=True)
    owner = np.full(N_SCENES, -1)
    owner[distinct] = claimant[first]
    return np.where(owner[scenes] == motif, scenes, own[motif])
