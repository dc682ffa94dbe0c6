"""Who makes LoRAs of the sandbox's decoder, and which pictures each LoRA is trained on.

Makers are people of tasteworld's kind (`worlds.tasteworld.people`) of a seed of their own, with
more in common within a cluster than the people who rate. Each makes some LoRAs of a *kind*:

- ``style``: pictures of every content with the backgrounds and styles that the maker likes;
- ``content``: pictures of what the maker likes, with every background and style;
- ``both``: pictures that the maker likes in every respect.

A picture's scene is drawn with probability proportional to ``exp(sharpness * z)``, where z is the
maker's value of it (averaged over what the kind leaves open), standardised; a share of ``noise`` of
the pictures shows any scene. So there is a true axis of style in the weights, and it is noisy.
Captions say what the kind leaves open, so that drawing these words (or none) shows the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.types import content_hash
from persongen_bench.worlds.tasteworld.attributes import COUNTS, N_SCENES, Scenes, decode, scene_at
from persongen_bench.worlds.tasteworld.content import subjects
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig

T = TypeVar("T")

Kind = Literal["style", "content", "both"]
Start = Literal["shared", "own"]
KINDS: tuple[Kind, ...] = ("style", "content", "both")
_CONTENT_AXES, _STYLE_AXES = (0, 1, 2), (3, 4)
"""Shape, colour and size; background and style."""


class ZooPlan(Config):
    """How many LoRAs there are, of what, and by whom."""

    n_models: int = Field(default=306, ge=1)
    """LoRAs in all."""
    models_per_maker: int = Field(default=3, ge=1)
    """LoRAs of one maker."""
    kind_shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of the kinds ``style``, ``content`` and ``both``."""
    ranks: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Ranks there are."""
    rank_shares: tuple[float, ...] = (0.25, 0.25, 0.2, 0.15, 0.15)
    """Share of every rank."""
    shared_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the LoRAs that start from the same matrices A; the others have their own."""
    held_out_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the makers whose LoRAs are held out."""
    n_pictures: int = Field(default=24, ge=1)
    """Training pictures of one LoRA."""
    sharpness: float = Field(default=3.0, gt=0)
    """How much a maker prefers what they like."""
    noise: float = Field(default=0.15, ge=0, le=1)
    """Share of training pictures that show anything."""
    seed: int = Field(default=12, ge=0)
    """Of makers, pictures and trainings."""
    people: PeopleConfig = PeopleConfig(
        seed=12, cluster_share=0.5, individual_share=0.35, aesthetics_share=0.15, drift_share=0.0
    )
    """Tastes of the makers."""

    @property
    def n_makers(self) -> int:
        """Makers that it takes."""
        return -(-self.n_models // self.models_per_maker)


@dataclass(frozen=True)
class LoraPlan:
    """One LoRA to train; depends on the plan and on its number alone."""

    model_id: str
    owner: str
    cluster: int
    """Of the maker."""
    held_out: bool
    kind: Kind
    rank: int
    start: Start
    seed: int
    """Of its training."""
    scenes: Scenes
    pictures: Int[np.ndarray, " n"]
    """Nuisance seeds of the training pictures."""

    @cached_property
    def captions(self) -> list[str]:
        """What the kind leaves open of each picture; nothing for ``both``."""
        if self.kind == "style":
            return subjects(self.scenes)
        if self.kind == "content":
            return [f"{row[3]} background, {row[4]} style" for row in decode(self.scenes)]
        return [""] * len(self.scenes)


class Makers:
    """All makers of a plan and what they make."""

    def __init__(self, plan: ZooPlan) -> None:
        self.plan = plan
        self.people = People.draw(plan.people, plan.n_makers)
        rng = np.random.default_rng([plan.seed, 0])
        order = rng.permutation(plan.n_makers)
        self._held_out = set(order[: max(1, round(plan.n_makers * plan.held_out_share))].tolist())
        self._kinds = _spread(KINDS, plan.kind_shares, plan.n_models, rng)
        self._ranks = _spread(plan.ranks, plan.rank_shares, plan.n_models, rng)
        shares = (plan.shared_share, 1 - plan.shared_share)
        starts: tuple[Start, Start] = ("shared", "own")
        self._starts = _spread(starts, shares, plan.n_models, rng)

    def __len__(self) -> int:
        return self.plan.n_models

    def model(self, number: int) -> LoraPlan:
        """LoRA ``number``, 0 .. n - 1."""
        maker, kind = number // self.plan.models_per_maker, self._kinds[number]
        rng = np.random.default_rng([self.plan.seed, 1, number])
        n = self.plan.n_pictures
        chosen = rng.choice(N_SCENES, n, p=self.preference(maker, kind))
        anything = rng.integers(0, N_SCENES, n)
        scenes = np.where(rng.random(n) < self.plan.noise, anything, chosen)
        return LoraPlan(
            model_id(number), f"maker-{maker:03d}", int(self.people.cluster[maker]),
            maker in self._held_out, kind, self._ranks[number], self._starts[number],
            int(content_hash("sandbox loras", self.plan.seed, number), 16) >> 1,
            scene_at(scenes), rng.integers(0, 2**63, n),
        )  # fmt: skip

    def preference(self, maker: int, kind: Kind) -> Float[np.ndarray, " scenes"]:
        """Probability of every scene in a LoRA of ``maker``; the values left open are even."""
        value = self.people.final[maker].reshape(COUNTS)
        open_axes = {"style": _CONTENT_AXES, "content": _STYLE_AXES, "both": ()}[kind]
        mean = value.mean(axis=open_axes, keepdims=True)
        z = (mean - mean.mean()) / mean.std()
        odds = np.broadcast_to(np.exp(self.plan.sharpness * (z - z.max())), COUNTS).reshape(-1)
        return np.asarray(odds / odds.sum())


def model_id(number: int) -> str:
    """The id of LoRA ``number``, such as ``lora-0012``."""
    return f"lora-{number:04d}"


def _spread(
    values: Sequence[T], shares: Sequence[float], n: int, rng: np.random.Generator
) -> list[T]:
    """``n`` values in random order, each with its share."""
    ends = np.round(np.cumsum(shares) / sum(shares) * n).astype(int)
    counts = np.diff(ends, prepend=0)
    codes = rng.permutation(np.repeat(np.arange(len(values)), counts))
    return [values[k] for k in codes.tolist()]
