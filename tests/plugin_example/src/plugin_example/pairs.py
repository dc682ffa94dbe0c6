"""Pairs: twelve people who like two hues each, and sixty pictures of one hue each, all drawn."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import Dataset, DatasetCard, Promise, Split
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog, Image

N_HUES = 12
PER_HUE = 5
SIDE = 16
FASHION = (0, 4, 8)
"""Everybody likes a hue of their own, and one of these beside it."""


class PairsConfig(Config):
    """Options of `Pairs`."""

    seed: int = Field(default=0, ge=0)
    """Draws how light each picture is; nothing else is left to chance."""


@dataclass(frozen=True)
class Drawn:
    """Draws pictures from the columns ``hue`` and ``light`` of their rows."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """One ``(3, 16, 16)`` picture per row."""
        return [draw(*numbers) for numbers in rows[["hue", "light"]].to_numpy(dtype=float)]


@final
class Pairs:
    """Twelve people: first each liked the pictures of a hue of their own, then those in fashion."""

    Config: ClassVar[type[Config]] = PairsConfig
    tracks: ClassVar[tuple[str, ...]] = (
        "plugin-example/follow",
        "plugin-example/recommend",
        "plugin-example/edit",
    )

    @classmethod
    def load(cls, config: PairsConfig, root: Path | None) -> Dataset:
        """Draw the data; nothing is read from disk."""
        items = _items(config.seed)
        return Dataset(
            name="pairs",
            card=DatasetCard(
                title="Pairs of hues",
                description="Twelve people who like two hues each; pictures of one hue each.",
                license="Apache-2.0",
                source="drawn by this package",
            ),
            catalog=Catalog(items, Drawn()),
            interactions=_interactions(),
            splits={"new-items": new_items, "leave-two": leave_two},
        )


def new_items(interactions: pd.DataFrame, seed: int) -> Split:
    """The last picture of every hue is held out, for everybody; ``seed`` changes nothing."""
    new = interactions["item_id"].str.endswith(f"-{PER_HUE - 1}")
    promise: Promise = frozenset({"items"})
    return Split("new-items", seed, interactions[~new], interactions[new], promise=promise)


def leave_two(interactions: pd.DataFrame, seed: int) -> Split:
    """Two liked pictures of every user, drawn by ``seed``; others have them in training."""
    liked = interactions[interactions["liked"]]
    left = liked.groupby("user_id").sample(n=2, random_state=np.random.default_rng(seed))
    held_out = interactions.index.isin(left.index)
    return Split("leave-two", seed, interactions[~held_out], interactions[held_out])


def draw(hue: float, light: float) -> Image:
    """One hue in [0, 1), from ``light`` in [0, 1] at the top to full colour at the bottom."""
    colour = np.array(colorsys.hsv_to_rgb(hue, 1.0, 1.0))
    fade = np.linspace(light, 0.0, SIDE)[None, :, None]
    pixels = fade + (1 - fade) * colour[:, None, None]
    whole = np.broadcast_to(pixels, (3, SIDE, SIDE))
    return np.asarray(np.rint(255 * whole), dtype=np.uint8)


def item_name(hue: int, number: int) -> str:
    """Id of picture ``number`` of hue ``hue / N_HUES``."""
    return f"hue{hue:02d}-{number}"


def _items(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = [(hue, number) for hue in range(N_HUES) for number in range(PER_HUE)]
    index = pd.Index([item_name(*name) for name in names], name="item_id")
    hues = [hue / N_HUES for hue, _ in names]
    return pd.DataFrame({"hue": hues, "light": rng.uniform(0.2, 0.6, len(names))}, index=index)


def _interactions() -> pd.DataFrame:
    """What each user disliked, then liked of their own hue, then of the one in fashion."""
    rows = []
    for user in range(N_HUES):
        hues = ((user + 6) % N_HUES, user, FASHION[(user + 1) % len(FASHION)])
        seen = [(hue, number) for hue in hues for number in range(PER_HUE)]
        for time, (hue, number) in enumerate(seen):
            liked = hue != hues[0]
            rating = 5.0 if liked else 1.0
            name = item_name(hue, number)
            rows.append((f"user-{user:02d}", name, rating, liked, float(time)))
    return pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))
