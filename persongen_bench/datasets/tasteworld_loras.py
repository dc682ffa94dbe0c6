"""LoRAs as items: people of tasteworld who like models by what is drawn with them.

How much somebody likes a LoRA is the mean of their true taste of its example pictures, which is
known. Everybody tries some LoRAs, the popular ones more often, and likes each with that
probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.types import Catalog
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.datasets.leave_one_last import LEAVE_ONE_LAST, leave_one_last
from persongen_bench.datasets.tasteworld_models import BUILD, zoo_folder
from persongen_bench.stacks.sandbox.loras.files import open_zoo
from persongen_bench.util.opening import opened_items
from persongen_bench.worlds.tasteworld.activity import START
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig
from persongen_bench.worlds.tasteworld.taste import TasteworldTaste

_TRIED = 30
"""Stream of random numbers, beside those of the world."""


class TasteworldLorasConfig(PeopleConfig):
    """How many people try how many LoRAs."""

    n_users: int = Field(default=150, ge=1, le=10_000)
    """People in all."""
    n_tried: int = Field(default=24, ge=3)
    """LoRAs that everybody tries, at most all there are."""
    popularity: float = Field(default=0.5, ge=0)
    """Standard deviation of the logarithm of how often LoRAs are tried."""


class TasteworldLoras:
    """Model retrieval where the true taste of every model is known."""

    Config: ClassVar[type[BaseConfig]] = TasteworldLorasConfig
    tracks: ClassVar[tuple[str, ...]] = ("recommendation",)

    @classmethod
    def load(cls, config: TasteworldLorasConfig, root: Path | None) -> Dataset:
        """Make the people and open the LoRAs, those in ``root`` or the ones that ship.

        `DataError` for a folder without LoRAs.
        """
        zoo = _shown(open_zoo(zoo_folder(root)))
        own = {name: getattr(config, name) for name in PeopleConfig.model_fields}
        people = People.draw(PeopleConfig(**own), config.n_users)
        taste = TasteworldTaste(people)
        log = _log(config, zoo.ids, model_taste(zoo, taste), people.ids)
        return Dataset(
            name="tasteworld-loras",
            card=_card(config, zoo, log),
            catalog=Catalog(_items(zoo), zoo.examples.source),
            interactions=log,
            splits={LEAVE_ONE_LAST: leave_one_last()},
            taste=taste,
            models=zoo,
        )


def model_taste(zoo: ModelZoo, taste: TasteworldTaste) -> Float[np.ndarray, "models people"]:
    """True utility of every model for everybody: the mean over its examples, in [0, 1]."""
    ids = zoo.examples.ids
    parts = [
        taste.utility(images, taste.people.ids)
        for _, images in opened_items(zoo.examples, ids, 256)
    ]
    values = pd.DataFrame(np.concatenate(parts))
    means = values.groupby(zoo.examples.items["model_id"].to_numpy()).mean()
    return np.asarray(means.loc[zoo.ids])


def _log(
    config: TasteworldLorasConfig,
    models: list[str],
    utility: Float[np.ndarray, "models people"],
    users: list[str],
) -> pd.DataFrame:
    rng = np.random.default_rng([config.seed, _TRIED])
    odds = np.exp(config.popularity * rng.standard_normal(len(models)))
    n = min(config.n_tried, len(models))
    rows = []
    for number, user in enumerate(users):
        own = np.random.default_rng([config.seed, _TRIED, number])
        tried = own.choice(len(models), n, replace=False, p=odds / odds.sum())
        liked = own.random(n) < utility[tried, number]
        rows += [
            (user, models[model], 5.0 if like else 1.0, bool(like), START + 3600 * place)
            for place, (model, like) in enumerate(zip(tried.tolist(), liked, strict=True))
        ]
    columns = ["user_id", "item_id", "rating", "liked", "timestamp"]
    log = pd.DataFrame(rows, columns=columns)
    return log.sort_values(["user_id", "item_id"], ignore_index=True)


def _shown(zoo: ModelZoo) -> ModelZoo:
    """All models are candidates: none is held out."""
    return ModelZoo(zoo.items.assign(held_out=False), zoo.source, zoo.examples)


def _items(zoo: ModelZoo) -> pd.DataFrame:
    """A row per LoRA; its picture is the first of its examples."""
    first = zoo.examples.items.drop_duplicates("model_id").set_index("model_id")
    items = zoo.items.join(first[["line", "column", "pixels"]])
    return items.rename_axis("item_id")


def _card(config: TasteworldLorasConfig, zoo: ModelZoo, log: pd.DataFrame) -> DatasetCard:
    numbers: Mapping[str, float] = {"liked": log["liked"].mean()}
    return DatasetCard(
        title="Tasteworld's LoRAs as items",
        description=(
            f"{config.n_users} simulated people tried {len(log):,} times one of {len(zoo)} LoRAs "
            f"of the sandbox's decoder and liked {numbers['liked']:.3f} of what they tried: each "
            "with the mean of their true taste of its example pictures."
        ),
        license="Apache-2.0 (this package)",
        source="persongen_bench.datasets.tasteworld_loras",
        instructions=f"A part of the LoRAs ships with the package; all are made by `{BUILD}`.",
    )
