"""Tasteworld: captioned pictures of our own, rated by simulated people whose true taste is known.

Pictures, people and ratings come from one seed (`persongen_bench.worlds.tasteworld`); nothing is
downloaded, and pictures are drawn when they are opened. Many people rate, and a panel of them is
tested; a pool of others is kept for cold start.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.types import Catalog, Image
from persongen_bench.datasets.leave_one_last import LEAVE_ONE_LAST, leave_one_last
from persongen_bench.datasets.tasteworld_prompts import (
    PROMPTS,
    held_out_subjects,
    hold_out_prompts,
)
from persongen_bench.datasets.tasteworld_references import ask_neutral
from persongen_bench.datasets.tasteworld_splits import Roles, tasteworld_splits
from persongen_bench.worlds.tasteworld import by_content, ceilings, labels
from persongen_bench.worlds.tasteworld.activity import ActivityConfig
from persongen_bench.worlds.tasteworld.content import TasteworldContent, subjects
from persongen_bench.worlds.tasteworld.motifs import MotifVersions
from persongen_bench.worlds.tasteworld.people import People, user_id
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig
from persongen_bench.worlds.tasteworld.ratings import RatingPlan, rating_log
from persongen_bench.worlds.tasteworld.render import SIZE, render
from persongen_bench.worlds.tasteworld.taste import TasteworldTaste

Preset = Literal["small", "standard", "large"]
PRESETS: dict[Preset, dict[str, int]] = {
    "small": {
        "n_panel": 24, "n_cold": 12, "n_users": 150, "n_items": 4000, "n_ratings": 20_000,
    },
    "standard": {
        "n_panel": 60, "n_cold": 40, "n_users": 400, "n_items": 8000, "n_ratings": 70_000,
    },
    "large": {
        "n_panel": 210, "n_cold": 40, "n_users": 250, "n_items": 40_000, "n_ratings": 240_000,
    },
}  # fmt: skip
"""Sizes. ``large`` has the shape of FLICKR-AES (210 people, 40,000 pictures, 193,000 ratings),
with the cold-start pool on top."""
_SMALL = PRESETS["small"]
_TASTES = {
    "plain": ("", ""),
    "by-content": (
        ", tastes by content",
        (
            "Tastes depend on the content: what somebody likes about background and style with "
            f"{', '.join(by_content.GEOMETRY)} they dislike as much with the other shapes. "
        ),
    ),
}
"""What title and description say of `PeopleConfig.taste`."""
_PICTURES, _LABELS = 20, 21
"""Streams of random numbers, beside those of the world's other modules."""


class TasteworldConfig(ActivityConfig):
    """Size of the world, its people and how it is divided."""

    preset: Preset = "small"
    """Sizes by name; a size that is named itself goes before."""
    n_panel: int = Field(default=_SMALL["n_panel"], ge=1)
    """People who are tested: the first ones."""
    n_cold: int = Field(default=_SMALL["n_cold"], ge=0)
    """People of the cold-start pool: the next ones."""
    n_users: int = Field(default=_SMALL["n_users"], ge=1, le=10_000)
    """People in all."""
    n_items: int = Field(default=_SMALL["n_items"], ge=4, le=100_000)
    """Pictures that are published; those that nobody rates are left out."""
    n_ratings: int = Field(default=_SMALL["n_ratings"], ge=1)
    """Ratings in all."""
    panel_ratings: int = Field(default=200, ge=1)
    """A person of the panel gives at least as many."""
    cold_ratings: int = Field(default=200, ge=1)
    """A person of the cold-start pool gives at least as many: 100 for support and a test part."""
    other_ratings: int = Field(default=3, ge=1)
    """Anybody else gives at least as many."""
    test_fraction: float = Field(default=0.3, gt=0, lt=1)
    """Share of the motifs that the splits ``panel`` and ``cold-start`` hold out."""
    latest_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the motifs that the split ``temporal`` holds out."""
    n_references: int = Field(default=4, ge=1)
    """Pictures to follow that everybody who is tested gets on the track ``reference``."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, values: Any) -> Any:  # noqa: ANN401  # whatever was given
        if not isinstance(values, Mapping) or values.get("preset", "small") not in get_args(Preset):
            return values
        return {**PRESETS[values.get("preset", "small")], **values}

    @model_validator(mode="after")
    def _people_fit(self) -> Self:
        if self.n_panel + self.n_cold > self.n_users:
            raise ValueError(
                f"n_panel={self.n_panel} and n_cold={self.n_cold} are more than "
                f"n_users={self.n_users}"
            )
        return self

    @property
    def plan(self) -> RatingPlan:
        """How many ratings everybody gives at least."""
        n_other = self.n_users - self.n_panel - self.n_cold
        least = [self.panel_ratings] * self.n_panel + [self.cold_ratings] * self.n_cold
        return RatingPlan(self.n_ratings, least + [self.other_ratings] * n_other)


class Tasteworld:
    """Pictures with content and style, and people with a known taste for both."""

    Config: ClassVar[type[BaseConfig]] = TasteworldConfig
    tracks: ClassVar[tuple[str, ...]] = (
        "prompt-free", "cold-start", "reference", "recommendation", "alignment",
    )  # fmt: skip

    @classmethod
    def load(cls, config: TasteworldConfig, root: Path | None) -> Dataset:  # noqa: ARG003  # nothing to read
        """Make the world. ``root`` is not used; `ConfigError` where the sizes do not fit."""
        rngs = [np.random.default_rng([config.seed, stream]) for stream in (_PICTURES, _LABELS)]
        people = People.draw(people_config(config), config.n_users)
        pictures = MotifVersions.draw(config.n_items, rngs[0])
        log = rating_log(people, pictures, config.plan, config)
        items = labels.item_table(pictures, rngs[1])
        items = items[items.index.isin(set(log["item_id"]))]
        catalog = Catalog(items, TasteworldSource())
        people_of, prompts = roles(config, items), held_out_subjects(config.seed)
        return Dataset(
            name="tasteworld",
            card=_card(config, people, log, items),
            catalog=catalog,
            interactions=log,
            splits={
                **tasteworld_splits(people_of, config.test_fraction, config.latest_fraction),
                LEAVE_ONE_LAST: leave_one_last(),
                PROMPTS: partial(hold_out_prompts, roles=people_of, prompts=prompts, items=items),
            },
            taste=TasteworldTaste(people),
            asks=partial(ask_neutral, catalog=catalog, n_references=config.n_references),
            content=TasteworldContent(catalog.ids, labels.scenes_of(items)),
            prompts=prompts,
        )


class TasteworldSource:
    """Draws the pictures of rows of the item table."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The pictures of ``rows``: uint8 RGB (3, 64, 64)."""
        seeds = rows["seed"].to_numpy(dtype=np.int64).astype(np.uint64)
        return list(render(labels.scenes_of(rows), seeds))

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of each picture."""
        return [3 * SIZE * SIZE] * len(rows)

    def subjects(self, rows: pd.DataFrame) -> list[str]:
        """Size, colour and shape of what each picture shows, such as ``a small red star``."""
        return subjects(labels.scenes_of(rows))


def people_config(config: TasteworldConfig) -> PeopleConfig:
    """The part of the config that tastes depend on: equal for all sizes of a world."""
    return PeopleConfig(**{name: getattr(config, name) for name in PeopleConfig.model_fields})


def roles(config: TasteworldConfig, items: pd.DataFrame) -> Roles:
    """Who is in the panel and in the cold-start pool."""
    ids = [user_id(number) for number in range(config.n_panel + config.n_cold)]
    motif_of = dict(zip(items.index, items["content_id"], strict=True))
    return Roles(frozenset(ids[: config.n_panel]), frozenset(ids[config.n_panel :]), motif_of)


def _card(
    config: TasteworldConfig, people: People, log: pd.DataFrame, items: pd.DataFrame
) -> DatasetCard:
    among = np.arange(config.n_panel)
    again, reach = ceilings.repeat(people, among), ceilings.reach(people, among)
    return DatasetCard(
        title=f"Tasteworld, {config.preset}{_TASTES[config.taste][0]}",
        description=(
            f"{len(items):,} pictures of {items['content_id'].nunique():,} motifs, "
            f"{len(log):,} ratings from 1 to 5 (4 and 5 are likes, {log['liked'].mean():.3f} of "
            f"them) by {config.n_users} simulated people, of whom {config.n_panel} are tested and "
            f"{config.n_cold} kept for cold start. {_TASTES[config.taste][1]}"
            f"Exact figures for the tested people, over all scenes: "
            f"like rate {reach.nobody:.3f}; rated again, ratings correlate {again.correlation:.3f} "
            f"(within a person {again.correlation_within:.3f}) and likes agree "
            f"{again.agreement:.3f}; knowing the true taste, likes are predicted right "
            f"{again.accuracy:.3f} of the time, with an AUC of {again.auc:.3f} within a person. "
            f"Like-probability of the best scene of: another person {reach.others:.3f}, "
            f"everybody {reach.everybody:.3f}, the cluster {reach.cluster:.3f}, single attributes "
            f"{reach.additive:.3f}, the person {reach.person:.3f} (lowest "
            f"{reach.worst_person:.3f})."
        ),
        license="Apache-2.0 (this package)",
        source="persongen_bench.datasets.tasteworld",
        instructions="Nothing to download: pictures, people and ratings are made from the seed.",
    )
