"""Random preferences: functions over all scenes, made of single attributes and of pairs of them.

A preference gives every scene a number. It is the sum of an *additive* part (one number per value
of each attribute) and of a *joint* part (one number per combination of two values, for a few
pairs of attributes, such as liking hearts only when they are sketched). Over all scenes, each
as often as any other, the two parts have mean 0, are uncorrelated and have the variances
``1 - interaction_share`` and ``interaction_share``: the shares are exact, not expectations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.worlds.tasteworld.attributes import COUNTS, N_SCENES, NAMES

Grid = Float[np.ndarray, " scenes"]
"""One number per scene, in the order of `attributes.scene_at`."""

PAIRS = (
    ("shape", "style"),
    ("colour", "background"),
    ("shape", "colour"),
    ("background", "style"),
)
"""The pairs of attributes whose values interact."""
ATTENTION = {"shape": 1.5, "colour": 1.5, "size": 0.5, "background": 1.0, "style": 1.5}
"""Gamma shapes of how much an attribute matters to somebody: size less often than the others,
and hardly anybody cares for all five alike."""
PAIR_ATTENTION = 0.7
"""Gamma shape of how much a pair matters; below 1: mostly one or two pairs."""


@dataclass(frozen=True)
class Preference:
    """Both parts of one preference; each has mean 0 and mean square 1 over all scenes."""

    additive: Grid
    joint: Grid

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Preference:
        """Attention first, then normal numbers per value and per pair of values."""
        care = rng.gamma([ATTENTION[name] for name in NAMES])
        mains = [_centred(rng.normal(size=count)) for count in COUNTS]
        care_pairs = rng.gamma(PAIR_ATTENTION, size=len(PAIRS))
        tables = [_centred(rng.normal(size=_shape(pair))) for pair in PAIRS]
        single = [(name,) for name in NAMES]
        return cls(_unit(_added(mains, single, care)), _unit(_added(tables, PAIRS, care_pairs)))

    def without(self, *others: Preference) -> Preference:
        """This preference less what it shares with the others, uncorrelated among themselves."""
        additive, joint = self.additive, self.joint
        for other in others:
            additive = additive - (additive * other.additive).mean() * other.additive
            joint = joint - (joint * other.joint).mean() * other.joint
        return Preference(_unit(additive), _unit(joint))

    def values(self, interaction_share: float) -> Grid:
        """The preference itself: mean 0 and variance 1 over all scenes."""
        return np.asarray(
            np.sqrt(1 - interaction_share) * self.additive + np.sqrt(interaction_share) * self.joint
        )


def additive_part(grids: Float[np.ndarray, "n scenes"]) -> Float[np.ndarray, "n scenes"]:
    """What of each row a sum over single attributes explains: the means of the values, added up."""
    table = grids.reshape(-1, *COUNTS)
    axes = tuple(range(1, table.ndim))
    mean = table.mean(axis=axes, keepdims=True)
    parts = [
        table.mean(axis=axes[:k] + axes[k + 1 :], keepdims=True) - mean for k in range(len(axes))
    ]
    return np.asarray(np.broadcast_to(mean + sum(parts), table.shape).reshape(len(grids), -1))


def _shape(pair: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(COUNTS[NAMES.index(name)] for name in pair)


def _added(
    tables: Sequence[np.ndarray],
    names: Sequence[tuple[str, ...]],
    variances: Float[np.ndarray, " n"],
) -> np.ndarray:
    """The sum over all scenes of tables over some attributes, each scaled to its variance."""
    total = np.zeros(COUNTS)
    for table, over, variance in zip(tables, names, variances, strict=True):
        total += _spread(np.sqrt(variance / (table**2).mean()) * table, over)
    return total


def _centred(table: np.ndarray) -> np.ndarray:
    """Means of 0 along every axis: what no single attribute can explain."""
    for axis in range(table.ndim):
        table = table - table.mean(axis=axis, keepdims=True)
    return table


def _spread(table: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """A table over some attributes as a grid over all of them; ``names`` in the order of NAMES."""
    shape = [count if name in names else 1 for name, count in zip(NAMES, COUNTS, strict=True)]
    return np.broadcast_to(table.reshape(shape), COUNTS)


def _unit(grid: np.ndarray) -> Grid:
    flat = np.asarray(grid, dtype=np.float64).reshape(N_SCENES)
    return np.asarray(flat / np.sqrt((flat**2).mean()))
