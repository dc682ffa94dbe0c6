"""What the trainings of the sandbox's small judges share: pictures, hard negatives, heads.

The loop itself is `persongen_bench.util.training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.worlds.tasteworld.attributes import (
    COUNTS,
    N_SCENES,
    NAMES,
    Scenes,
    scene_at,
    scene_index,
)
from persongen_bench.worlds.tasteworld.render import render

HELD_OUT = 0.1
"""Share of the scenes that no judge sees while it trains, the same ones for every seed."""
COPIES = 4
"""Pictures per group of hard negatives: a scene, and copies with one or two attributes changed."""
_SPLIT_SEED = 64_64
_MOST_CHANGED = 2


@dataclass(frozen=True)
class DrawnScenes:
    """Scenes and their pictures."""

    scenes: Int[np.ndarray, "n 5"]
    images: UInt8[np.ndarray, "n 3 64 64"]


@cache
def scene_split() -> tuple[Scenes, Scenes]:
    """All scenes, divided once and for all: those for training, those held out."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(N_SCENES)
    n = round(N_SCENES * HELD_OUT)
    return scene_at(order[n:]), scene_at(order[:n])


def draw(scenes: Scenes, n: int, rng: np.random.Generator) -> DrawnScenes:
    """``n`` pictures of scenes drawn from ``scenes``, each with its own nuisance."""
    return draw_all(scenes[rng.integers(0, len(scenes), n)], rng)


def draw_all(scenes: Scenes, rng: np.random.Generator) -> DrawnScenes:
    """One picture of every scene."""
    return DrawnScenes(scenes, render(scenes, rng.integers(0, 2**63, len(scenes), dtype=np.uint64)))


def draw_groups(n: int, rng: np.random.Generator) -> Scenes:
    """``n`` training scenes in groups of `COPIES`, which differ in one or two attributes."""
    known = scene_split()[0]
    base = known[rng.integers(0, len(known), -(-n // COPIES))]
    copies = [_nearby_known(base, rng) for _ in range(COPIES - 1)]
    return np.stack([base, *copies], axis=1).reshape(-1, len(NAMES))[:n]


def _nearby_known(scenes: Scenes, rng: np.random.Generator) -> Scenes:
    """Changed scenes; one that is held out is drawn again."""
    held_out = np.zeros(N_SCENES, dtype=bool)
    held_out[scene_index(scene_split()[1])] = True
    changed = nearby(scenes, _MOST_CHANGED, rng)
    while len(wrong := np.flatnonzero(held_out[scene_index(changed)])):
        changed[wrong] = nearby(scenes[wrong], _MOST_CHANGED, rng)
    return changed


def nearby(scenes: Scenes, most: int, rng: np.random.Generator) -> Scenes:
    """Every scene with 1 to ``most`` attributes changed, each to another value."""
    n_changed = rng.integers(1, most + 1, len(scenes))
    rank = rng.random(scenes.shape).argsort(axis=1).argsort(axis=1)
    shift = rng.integers(1, np.array(COUNTS), scenes.shape)
    return np.where(rank < n_changed[:, None], (scenes + shift) % np.array(COUNTS), scenes)


class AttributeHeads(nn.Module):
    """One linear classifier per attribute on a shared vector; used while training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, n) for n in COUNTS)

    def loss(
        self,
        rows: Float[Tensor, "n d"],
        scenes: Int[Tensor, "n 5"],
        shown: Bool[Tensor, "n 5"] | None = None,
    ) -> Tensor:
        """Mean cross-entropy in nats over attributes, over the labels that are ``shown``."""
        weight = torch.ones_like(scenes) if shown is None else shown.long()
        terms = [
            (F.cross_entropy(head(rows), scenes[:, k], reduction="none") * weight[:, k]).sum()
            / weight[:, k].sum().clamp(min=1)
            for k, head in enumerate(self.heads)
        ]
        return torch.stack(terms).mean()
