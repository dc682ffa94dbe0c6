"""ImageGem with images as items: who made which, as records of preference (paper 004, 5.2).

An image occurs once in the log, with its maker. The catalogue therefore holds nothing that tells
who made it or when: prompt, base model, level, licence and feedback only.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.datasets import imagegem_parts as parts
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.imagegem_parts import ImagegemConfig
from persongen_bench.datasets.imagegem_relation import among
from persongen_bench.datasets.imagegem_schema import EMOJI
from persongen_bench.datasets.imagegem_statistics import ImagegemStatistics
from persongen_bench.datasets.imagegem_tables import Relations
from persongen_bench.datasets.imagegem_zoo import zoo_of
from persongen_bench.datasets.leave_one_last import LEAVE_ONE_LAST, leave_one_last
from persongen_bench.datasets.novel_prompt import NOVEL_PROMPT, novel_prompt

SHOWN = ("image", "base_model", "nsfw", "license", *EMOJI)
"""Columns of an image that may stand in the catalogue."""
TWINS = (
    "People make an image again and again with one prompt: where a user's latest image is held "
    "out, its twins are often trained on, and finding them is no taste (`pgbench show dataset "
    "imagegem` says how often; the split novel-prompt holds the twins out too)."
)
TIMES = "Images without a time come in the order of a hash of their ids."


class Imagegem(ImagegemStatistics):
    """Images that people made with LoRAs, and who made them."""

    Config: ClassVar[type[BaseConfig]] = ImagegemConfig
    tracks: ClassVar[tuple[str, ...]] = ("recommendation", "alignment", "model-editing")

    @classmethod
    def load(cls, config: ImagegemConfig, root: Path | None) -> Dataset:
        """Read, check and filter the tables, and list the pictures.

        Raises `DataError` with file, row, what is there, what was expected and how to mend it.
        """
        tables = parts.read(root, config, "imagegem")
        prompts = parts.held_out_prompts(tables.root, config)
        tables = parts.without_prompts(tables, prompts)
        images = tables.images
        catalog = parts.catalog_of(_items(images), tables.root, config)
        rows = parts.image_rows(images[among(images.index, catalog.items.index)])
        rows, note = parts.active(rows, config.least_interactions)
        catalog = catalog.subset(rows["item_id"])
        lost = len(images) - len(catalog)
        left = f"{lost:,} images were of such users or had no picture" if lost else ""
        zoo, lacking = zoo_of(tables, config) if config.weights == "files" else (None, "")
        card = _card(tables.noted(note, left, lacking), rows)
        log = parts.log_of(rows)
        return Dataset("imagegem", card, catalog, log, splits(catalog.items["caption"], config),
                       prompts=prompts, models=zoo, model_prompt=config.model_prompt)  # fmt: skip


def splits(prompts: pd.Series, config: ImagegemConfig) -> dict[str, SplitFunction]:
    """The ways to divide the images of these ``prompts``, by name."""
    forms = prompt_words.normal_forms(prompts)
    return {
        LEAVE_ONE_LAST: leave_one_last(max(config.least_interactions, 3)),
        NOVEL_PROMPT: novel_prompt(forms, 60 * config.session_minutes),
    }


def _items(images: pd.DataFrame) -> pd.DataFrame:
    prompts = images["prompt"]
    items = images[[name for name in SHOWN if name in images]].assign(
        caption=prompts, prompt=prompts
    )
    return parts.plain_labels(items.rename_axis("item_id"))


def _card(tables: Relations, rows: pd.DataFrame) -> DatasetCard:
    said = f"{len(rows):,} images by {rows['user_id'].nunique():,} users."
    notes = (
        "An interaction is that somebody made an image; nobody says what they dislike.",
        TWINS, TIMES,
    )  # fmt: skip
    return parts.card("ImageGem, images", said, tables, notes)
