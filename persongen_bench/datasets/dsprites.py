"""The controlled world of REBECA section 3: red and blue squares and hearts, four known tastes.

Sprites are drawn by `persongen_bench.worlds.sprites`, or read from the published file where the
data folder holds it. As in the released code all sprites have scale class 1, both colours share
the same sprites, and every user rates every image.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from pydantic import Field, field_validator

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.errors import DataError
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog, Image
from persongen_bench.datasets.dsprites_file import FILE_NAME, PublishedFile
from persongen_bench.datasets.splits import by_item, by_row
from persongen_bench.worlds import sprites
from persongen_bench.worlds.sprite_taste import TASTES, Rule, SpriteTaste, Taste, match_probability

SHAPES = ("square", "heart")
COLOURS = ("red", "blue")
SCALE_CLASS = 1
"""Scale 0.6, the only one that the released code keeps."""
TEST_FRACTION = 0.1
"""Section 3.1: 90/10."""
_FACTOR_COLUMNS = list(sprites.FACTORS[1:])


class DSpritesConfig(BaseConfig):
    """Size, rule and seed of the controlled world."""

    rule: Rule = "paper"
    """Like-probabilities: .95/.10/.05 as section 3.1 prints, or .95/.10/.01 as released."""
    n_images: int = Field(default=40_000, ge=4)
    """Images in all, a multiple of 4: the same number per shape and colour (section 3.1)."""
    users_per_taste: int = Field(default=1, ge=1, le=10_000)
    """Users who share each of the four tastes and differ only in chance; 1 in section 3.1."""
    seed: int = Field(default=0, ge=0)
    """Seed of the choice of sprites and of the ratings."""

    @field_validator("n_images")
    @classmethod
    def _whole_cells(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"n_images must be a multiple of 4, found {value}")
        return value


class DSprites:
    """REBECA's controlled world: coloured sprites and four users whose taste is known."""

    Config: ClassVar[type[BaseConfig]] = DSpritesConfig
    tracks: ClassVar[tuple[str, ...]] = ("controlled",)

    @classmethod
    def load(cls, config: DSpritesConfig, root: Path | None) -> Dataset:
        """Build items, ratings and the taste.

        Args:
            config: size, rule and seed.
            root: folder that holds the published npz; None: the sprites are rendered.

        Raises:
            DataError: the file is missing or damaged, or has too few sprites.
        """
        file = PublishedFile.open(root) if root is not None else None
        pick, rate = np.random.default_rng(config.seed).spawn(2)
        chosen = _choose(config.n_images // 4, file, pick)
        if file is not None:
            file.keep_together(np.concatenate(list(chosen.values())))
        items = _items(chosen, file)
        users = _users(config.users_per_taste)
        return Dataset(
            name="dsprites",
            card=_card(file),
            catalog=Catalog(items, SpriteSource(file)),
            interactions=_ratings(items, users, config.rule, rate),
            splits={"item": by_item(TEST_FRACTION), "row": by_row(TEST_FRACTION)},
            taste=SpriteTaste(users, config.rule),
        )


class SpriteSource:
    """Opens rows of the item table: rendered, or from the published file."""

    def __init__(self, file: PublishedFile | None = None) -> None:
        self._file = file

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows``: uint8 RGB (3, 64, 64) in {0, 255}."""
        factors = np.zeros((len(rows), len(sprites.GRID)), dtype=np.int64)
        for column, name in enumerate(_FACTOR_COLUMNS, start=1):
            values = rows[name]
            factors[:, column] = values.map(sprites.SHAPES.index) if name == "shape" else values
        masks = self._file.masks(factors) if self._file else sprites.render(factors)
        return list(sprites.colourise(masks, rows["colour"].tolist()))

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of each image."""
        return [3 * sprites.SIZE**2] * len(rows)


def _choose(
    n: int, file: PublishedFile | None, rng: np.random.Generator
) -> dict[str, Int[np.ndarray, "n 6"]]:
    """``n`` different sprites per shape, no two of which have the same pixels.

    With and without the published file the same seed gives the same factors.
    """
    chosen = {}
    for name in SHAPES:
        pool = sprites.distinct_sprites(sprites.SHAPES.index(name), SCALE_CLASS)
        pool = pool if file is None else pool[file.has(pool)]
        if len(pool) < n:
            where = file.path if file else "the grid"
            raise DataError(
                f"{where}: {len(pool)} different sprites of shape {name} and scale class "
                f"{SCALE_CLASS}, {n} wanted",
                fix=f"Use n_images={4 * len(pool)} or fewer.",
            )
        chosen[name] = sprites.to_factors(rng.permutation(pool)[:n])
    return chosen


def _items(chosen: dict[str, Int[np.ndarray, "n 6"]], file: PublishedFile | None) -> pd.DataFrame:
    """The item table; both colours of a sprite are items."""
    parts = []
    for shape, factors in chosen.items():
        for colour in COLOURS:
            part = pd.DataFrame(factors[:, 1:], columns=_FACTOR_COLUMNS)
            label = f"{colour}-{shape}"
            part.insert(0, "item_id", [f"{label}-{i:06d}" for i in sprites.to_index(factors)])
            part.insert(1, "colour", colour)
            part["shape"] = shape
            part["caption"] = f"a {colour} {shape}"
            part["theme"] = f"{colour} {shape}"
            parts.append(part)
    items = pd.concat(parts, ignore_index=True)
    items["pixels"] = file.signature if file else sprites.RENDERER
    return items.set_index("item_id")


def _users(users_per_taste: int) -> dict[str, Taste]:
    """User ids named by their taste, such as ``red-square-0``."""
    return {
        f"{colour}-{shape}-{i}": (colour, shape)
        for colour, shape in TASTES
        for i in range(users_per_taste)
    }


def _like_probability(items: pd.DataFrame, taste: Taste, rule: Rule) -> Float[np.ndarray, " n"]:
    colour, shape = taste
    matches = (items["colour"] == colour).astype(int) + (items["shape"] == shape).astype(int)
    return match_probability(rule, matches.to_numpy())


def _ratings(
    items: pd.DataFrame, users: dict[str, Taste], rule: Rule, rng: np.random.Generator
) -> pd.DataFrame:
    """One row per user and item: rating 1 with the probability of the rule, else 0."""
    parts = []
    for user, taste in users.items():
        liked = rng.random(len(items)) < _like_probability(items, taste, rule)
        columns = (user, items.index, liked.astype(np.float64), liked, np.nan)
        parts.append(pd.DataFrame(dict(zip(INTERACTION_COLUMNS, columns, strict=True))))
    return pd.concat(parts, ignore_index=True)


def _card(file: PublishedFile | None) -> DatasetCard:
    return DatasetCard(
        title="dSprites, four known tastes",
        description=(
            "Red and blue squares and hearts on black, 64 x 64. Every user prefers one colour "
            "and shape and likes an image with a probability that depends on how many match. "
            f"Pixels: {file.signature if file else sprites.RENDERER}."
        ),
        license="Apache-2.0 (rendered sprites: this package; published file: DeepMind)",
        source="https://github.com/google-deepmind/dsprites-dataset",
        citation="Matthey, Higgins, Hassabis and Lerchner 2017; rule: REBECA section 3.1",
        instructions=(
            "Nothing to download: the sprites are rendered. To use the published pixels, put "
            f"{FILE_NAME} from the source above into the data folder."
        ),
    )
