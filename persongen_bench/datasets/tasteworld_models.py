"""Tasteworld with LoRAs: people whose taste is known, and models that others made and shared.

The LoRAs are of the sandbox's decoder (`stacks.sandbox.loras`): a part ships with the package, and
`pgbench models build tasteworld-loras` makes them all. Their makers are none of the people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import content_hash
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.datasets.tasteworld import Tasteworld, TasteworldConfig
from persongen_bench.stacks.sandbox.loras.files import SHIPPED, TABLE, open_zoo

BUILD = "pgbench models build tasteworld-loras --output FOLDER"


class TasteworldModelsConfig(TasteworldConfig):
    """Tasteworld, and which LoRAs belong to it."""

    n_edited: int = Field(default=3, ge=1)
    """Held-out LoRAs that are to be edited, each of another maker."""
    fold: int = Field(default=0, ge=0)
    """Which of the held-out LoRAs these are: choose settings on other folds than are reported."""
    edited_rank: int | None = Field(default=None, ge=1)
    """Rank of the LoRAs that are to be edited; None: any."""
    start: Literal["all", "shared", "own"] = "all"
    """LoRAs that started from the same matrices A, from their own, or both."""
    model_prompt: str = ""
    """What is drawn with the models."""


class TasteworldModels:
    """Pictures and people of tasteworld with LoRAs by known makers."""

    Config: ClassVar[type[BaseConfig]] = TasteworldModelsConfig
    tracks: ClassVar[tuple[str, ...]] = ("model-editing",)

    @classmethod
    def load(cls, config: TasteworldModelsConfig, root: Path | None) -> Dataset:
        """Make the world and open its LoRAs, those in ``root`` or the ones that ship.

        `DataError` for a folder without LoRAs, `ConfigError` for a fold that has too few.
        """
        world = Tasteworld.load(TasteworldConfig(**_world(config)), None)
        zoo = chosen(open_zoo(zoo_folder(root)), config)
        return replace(
            world,
            name="tasteworld-models",
            card=_card(world.card, zoo),
            models=zoo,
            model_prompt=config.model_prompt,
            asks=None,
        )


def zoo_folder(root: Path | None) -> Path:
    """Where the LoRAs lie: in ``root`` where it holds some, else in the package."""
    return root if root is not None and (root / TABLE).exists() else SHIPPED


def chosen(zoo: ModelZoo, config: TasteworldModelsConfig) -> ModelZoo:
    """The LoRAs that methods may learn from, and those of the fold, which are held out."""
    table = zoo.items
    if config.start != "all":
        table = table[table["start"] == config.start]
    fits = table if config.edited_rank is None else table[table["rank"] == config.edited_rank]
    edited = edited_models(fits, config.n_edited, config.fold)
    seen = table.index[~table["held_out"].astype(bool)]
    return zoo.subset([*map(str, seen), *edited])


def edited_models(table: pd.DataFrame, n: int, fold: int) -> Sequence[str]:
    """``n`` held-out LoRAs that have to do with style, one of a maker; other folds share no maker.

    Makers come in the order of a hash of their names, and each gives the first of its LoRAs.
    """
    about_style = table["held_out"].astype(bool) & (table["kind"] != "content")
    first = table[about_style].groupby("owner", sort=True).head(1)
    order = sorted(first["owner"], key=lambda owner: content_hash("edited models", owner))
    owners = order[fold * n : (fold + 1) * n]
    if len(owners) < n:
        raise ConfigError(
            f"fold {fold} of {n} held-out LoRAs: {len(order)} makers have some",
            fix=f"Use a smaller n_edited or fold, or all LoRAs: `{BUILD}`.",
        )
    return [str(name) for name in first.index[first["owner"].isin(owners)]]


def _world(config: TasteworldModelsConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in TasteworldConfig.model_fields}


def _card(world: DatasetCard, zoo: ModelZoo) -> DatasetCard:
    ranks = zoo.items["rank"].value_counts().sort_index()
    said = ", ".join(f"{n} of rank {rank}" for rank, n in ranks.items())
    return replace(
        world,
        title=f"{world.title}, with LoRAs",
        description=(
            f"{len(zoo)} LoRAs of the sandbox's decoder by {zoo.items['owner'].nunique()} simulated"
            f" makers of known taste ({said}), {len(zoo.held_out)} of them held out with their "
            f"makers. {world.description}"
        ),
        source="persongen_bench.datasets.tasteworld_models",
        instructions=f"A part of the LoRAs ships with the package; all are made by `{BUILD}`, "
        "then named with `--data-root FOLDER`.",
    )
