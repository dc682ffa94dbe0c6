"""ImageGem with LoRAs as items: who used which last when (paper 004, 5.2).

A LoRA's picture and caption are those of the image made with it that was liked most (4.2).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.errors import DataError
from persongen_bench.datasets import imagegem_parts as parts
from persongen_bench.datasets.imagegem import TIMES
from persongen_bench.datasets.imagegem_parts import ImagegemConfig
from persongen_bench.datasets.imagegem_relation import among
from persongen_bench.datasets.imagegem_schema import EMOJI
from persongen_bench.datasets.imagegem_statistics import ImagegemStatistics
from persongen_bench.datasets.imagegem_tables import INSTRUCTIONS, Relations
from persongen_bench.datasets.large_tables import LIST_MARK
from persongen_bench.datasets.leave_one_last import LEAVE_ONE_LAST, leave_one_last

PERSON, REALISTIC, ANIME = 0.2, 0.26, 0.24
"""Similarities of CLIP from which a LoRA's images show a person, a realistic or an anime style
(paper 004, 5.3.1)."""
STYLE_TAGS = {
    "anime": ("anime", "manga", "cartoon"),
    "realistic": ("realistic", "photorealistic", "realism", "photo", "photography"),
}
"""Tags that say a style; the paper tried tags first and found them noisy. The words are ours."""


class ImagegemModelsConfig(ImagegemConfig):
    """What counts."""

    users_of_model: int = Field(default=1, ge=1)
    """LoRAs that fewer people used are left out."""


class ImagegemModels(ImagegemStatistics):
    """LoRAs, and who made images with them."""

    Config: ClassVar[type[BaseConfig]] = ImagegemModelsConfig
    tracks: ClassVar[tuple[str, ...]] = ("recommendation",)

    @classmethod
    def load(cls, config: ImagegemModelsConfig, root: Path | None) -> Dataset:
        """Read, check and filter the tables; raises `DataError` as `Imagegem.load`."""
        tables = parts.read(root, config, "imagegem-models")
        if tables.uses.empty:
            raise DataError(
                f"{tables.root}: nothing says which LoRA an image was made with, "
                f"or none is left ({'; '.join(tables.notes) or 'no table uses'})",
                fix="Add the table uses (image_id, model_id). " + INSTRUCTIONS,
            )
        catalog = parts.catalog_of(_items(tables), tables.root, config)
        rows = parts.last_uses(tables)
        rows = rows[among(rows["item_id"], catalog.items.index)]
        n_users = rows["item_id"].map(rows["item_id"].value_counts())
        rows = rows[(n_users >= config.users_of_model).to_numpy()]
        rows, note = parts.active(rows, config.least_interactions)
        catalog = catalog.subset(rows["item_id"])
        card = _card(tables.noted(note), rows, catalog.items)
        splits = {LEAVE_ONE_LAST: leave_one_last(max(config.least_interactions, 3))}
        return Dataset("imagegem-models", card, catalog, parts.log_of(rows), splits)


def most_liked(tables: Relations) -> pd.DataFrame:
    """Indexed by LoRA: the image made with it that was liked most, by hearts and thumbs up.

    Of equals the one whose id is first.
    """
    likes = parts.liking(tables.images).reindex(tables.uses["image_id"]).to_numpy()
    rows = tables.uses.assign(likes=-likes).sort_values(["model_id", "likes", "image_id"])
    first = rows.drop_duplicates("model_id").set_index("model_id")
    return tables.images.reindex(first["image_id"]).assign(_model=first.index.to_numpy())


def _items(tables: Relations) -> pd.DataFrame:
    shown = most_liked(tables)
    about = shown[["prompt", *(name for name in ("image", *EMOJI) if name in shown)]]
    about = about.assign(_picture=shown.index.to_numpy())
    about = about.set_axis(pd.Index(shown["_model"].to_numpy(), name="item_id"))
    about = about.rename(columns={"prompt": "caption"})
    own = tables.models.drop(columns="timestamp", errors="ignore")
    items = about.join(parts.plain_labels(own))
    if "tags" in items:
        items = items.assign(
            tags=items["tags"].fillna(""), style_by_tag=style_by_tag(items["tags"])
        )
    return items.sort_index()


def style_by_tag(tags: pd.Series) -> np.ndarray:
    """Per LoRA the style that its tags say: 1 realistic, -1 anime, 0 neither or both."""
    words = tags.fillna("").str.casefold().str.split(LIST_MARK)
    said = {
        style: words.map(lambda own, known=known: bool(set(own) & set(known))).to_numpy(dtype=int)
        for style, known in STYLE_TAGS.items()
    }
    return np.asarray(said["realistic"] - said["anime"])


def style_by_similarity(
    person: Float[np.ndarray, " n"],
    realistic: Float[np.ndarray, " n"],
    anime: Float[np.ndarray, " n"],
) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """Labels of LoRAs by how near CLIP finds their example images to three texts (5.3.1).

    Args:
        person: mean cosine of a LoRA's example images to a text of a person.
        realistic: the same to one of a realistic style.
        anime: the same to one of an anime style.

    Returns:
        Labels 1 (realistic), -1 (anime) and 0 (out), and which LoRAs are out because they are
        near both styles; "high" in both is read as reaching both thresholds (the paper names
        none).
    """
    shown = np.asarray(person) >= PERSON
    real, drawn = np.asarray(realistic) >= REALISTIC, np.asarray(anime) >= ANIME
    both = shown & real & drawn
    labels = np.where(real, 1, np.where(drawn, -1, 0))
    return np.where(shown & ~both, labels, 0), both


def _card(tables: Relations, rows: pd.DataFrame, items: pd.DataFrame) -> DatasetCard:
    said = (
        f"{len(rows):,} pairs of {rows['user_id'].nunique():,} users and {len(items):,} LoRAs that "
        "they made images with."
    )
    maker = tables.images["user_id"].reindex(most_liked(tables).index).to_numpy()
    shown = pd.Series(maker, index=most_liked(tables)["_model"].to_numpy())
    own = float((shown.reindex(rows["item_id"]).to_numpy() == rows["user_id"].to_numpy()).mean())
    notes = (
        "An interaction is that somebody made images with a LoRA, at the time of the last one.",
        f"A LoRA's picture is its most liked image; its maker is the user in {own:.1%} of the log.",
        TIMES,
    )
    return parts.card("ImageGem, LoRAs", said, tables, notes)
