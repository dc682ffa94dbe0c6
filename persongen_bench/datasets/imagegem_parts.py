"""What both data sets made of ImageGem's tables share: options, pictures, prompts, the card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.dataset import DatasetCard
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import Catalog, ImageSource, NoImages
from persongen_bench.datasets import image_files, prompt_words
from persongen_bench.datasets.image_files import ImageFiles
from persongen_bench.datasets.imagegem_filters import FilterConfig, filtered
from persongen_bench.datasets.imagegem_schema import EMOJI
from persongen_bench.datasets.imagegem_tables import INSTRUCTIONS, Relations, read_relations
from persongen_bench.datasets.prompt_sets import read_prompts
from persongen_bench.datasets.reference_pictures import pictures_by_name

PROMPTS = "held_out_prompts.txt"
FOLDER = "images"


class ImagegemConfig(FilterConfig):
    """What counts, and what is read beside the tables."""

    least_interactions: int = Field(default=3, ge=1)
    """Users with fewer are left out with what they did (paper 004, 5.2: 3); for ``alignment`` 1."""
    session_minutes: float = Field(default=30.0, gt=0)
    """Images of a user without a longer pause are one session, for the split `novel-prompt`."""
    pictures: Literal["files", "none"] = "files"
    """``none``: only the tables are read, for methods that need no pixels."""
    checksums: bool = True
    """Read every picture's bytes, so that a changed one changes the revision of the data."""
    weights: Literal["files", "none"] = "none"
    """``files``: LoRAs are read too, by the column ``file`` of the models, for the track
    ``model-editing``."""
    held_out_models: float = Field(default=0.1, gt=0, lt=1)
    """With weights: share of the LoRAs, drawn by ``seed``, that are to be edited."""
    model_prompt: str = ""
    """With weights: what is drawn with the edited LoRAs."""
    prompts: str = ""
    """File of held-out prompts in the data folder, for the track ``alignment``; empty:
    ``held_out_prompts.txt`` if it is there. Images made with one of them are left out."""


def existing(root: Path | None, name: str) -> Path:
    """The data folder; `DataError` with instructions where there is none."""
    if root is None or not root.is_dir():
        what = "no data folder named (--data ROOT)" if root is None else f"no folder {root}"
        raise DataError(f"dataset {name}: {what}", fix=INSTRUCTIONS)
    return root


def read(root: Path | None, config: ImagegemConfig, name: str) -> Relations:
    """The relations that count; `DataError` where they are not there or malformed."""
    return filtered(read_relations(existing(root, name)), config)


def held_out_prompts(root: Path, config: ImagegemConfig) -> tuple[str, ...]:
    """The prompts of the file, none where there is no such file and none was named."""
    path = root / (config.prompts or PROMPTS)
    if not config.prompts and not path.exists():
        return ()
    return tuple(str(prompt) for prompt in read_prompts(path)["prompt"])


def without_prompts(tables: Relations, prompts: tuple[str, ...]) -> Relations:
    """Without the images that were made with one of the prompts, by their normal forms."""
    if not prompts:
        return tables
    theirs = {prompt_words.normalised(prompt) for prompt in prompts}
    keep = ~prompt_words.normal_forms(tables.images["prompt"]).isin(theirs).to_numpy()
    return tables.with_images(keep, f"{int((~keep).sum()):,} images had a held-out prompt")


def with_pictures(items: pd.DataFrame, root: Path, *, checksums: bool) -> pd.DataFrame:
    """The items whose picture is there, with ``image`` and, if asked for, ``sha256``.

    The column ``image`` is a path below the data folder; without it pictures are named by the
    column ``_picture`` (else by the item) in the folder ``images``. `DataError` for none.
    """
    if "image" not in items:
        files = pictures_by_name(root, FOLDER)
        names = items["_picture"] if "_picture" in items else items.index.to_series()
        items = items.assign(image=names.map(files).fillna("").to_numpy())
    there = np.array([bool(n) and (root / n).is_file() for n in items["image"]], dtype=bool)
    if not there.any():
        raise DataError(
            f"{root}: none of {len(items):,} pictures is there, such as "
            f"{str(items['image'].iloc[0])[:80]!r} of {items.index[0]!r}",
            fix=f"Put them into {FOLDER}/<image_id>.png, or use --data-option pictures=none.",
        )
    kept = items[there].drop(columns="_picture", errors="ignore").copy()
    if checksums:
        kept["sha256"] = image_files.checksums(root, kept["image"])
    return kept


def catalog_of(items: pd.DataFrame, root: Path, config: ImagegemConfig) -> Catalog:
    """The catalogue of the items, those with a picture where pictures are read."""
    if config.pictures == "none":
        plain = items.drop(columns=["image", "_picture"], errors="ignore")
        return Catalog(plain, NoImages())
    source: ImageSource = ImageFiles(root)
    return Catalog(with_pictures(items, root, checksums=config.checksums), source)


def image_rows(images: pd.DataFrame) -> pd.DataFrame:
    """``user_id, item_id, rating, timestamp``: one row per image, that of its maker."""
    times = images.get("timestamp", np.nan)
    frame = pd.DataFrame({"user_id": images["user_id"], "rating": 1.0, "timestamp": times})
    return frame.rename_axis("item_id").reset_index()


def last_uses(tables: Relations) -> pd.DataFrame:
    """``user_id, item_id, rating, timestamp``: one row per user and LoRA.

    The rating is the number of images, the time that of the last one (paper 004, 5.2).
    """
    images = tables.images.reindex(tables.uses["image_id"])
    times = images["timestamp"].to_numpy() if "timestamp" in images else np.nan
    rows = pd.DataFrame({
        "user_id": images["user_id"].to_numpy(), "item_id": tables.uses["model_id"].to_numpy(),
        "timestamp": times,
    })  # fmt: skip
    groups = rows.groupby(["user_id", "item_id"], sort=True, observed=True)["timestamp"]
    return groups.agg(rating="size", timestamp="max").reset_index()


def log_of(rows: pd.DataFrame) -> pd.DataFrame:
    """``user_id, item_id, rating, timestamp`` as interactions, every one a like."""
    log = rows.assign(liked=True)[["user_id", "item_id", "rating", "liked", "timestamp"]]
    types = {"user_id": "str", "item_id": "str", "rating": "float64", "timestamp": "float64"}
    return canonical(log.astype(types))


def active(rows: pd.DataFrame, least: int) -> tuple[pd.DataFrame, str]:
    """The rows of users with at least so many, and what was left out; `DataError` for none."""
    counts = rows["user_id"].map(rows["user_id"].value_counts()).to_numpy()
    kept = rows[counts >= least]
    if kept.empty:
        raise DataError(
            f"imagegem: none of {rows['user_id'].nunique():,} users has {least} interactions",
            fix="Lower least_interactions, or loosen the filters (--data-option).",
        )
    lost = rows["user_id"].nunique() - kept["user_id"].nunique()
    return kept, f"{lost:,} users had fewer than {least} interactions" if lost else ""


def liking(images: pd.DataFrame) -> pd.Series:
    """How often an image was given a heart or a like (thumbs up); 0 where nobody says."""
    names = [name for name in EMOJI[:2] if name in images]
    return images[names].sum(axis=1) if names else pd.Series(0, index=images.index)


def plain_labels(items: pd.DataFrame) -> pd.DataFrame:
    """Categories as text, so that hashes and subsets do not hang on what is left out."""
    kinds = {n: "str" for n in items if isinstance(items[n].dtype, pd.CategoricalDtype)}
    return items.astype(kinds)


def card(title: str, said: str, tables: Relations, notes: tuple[str, ...]) -> DatasetCard:
    """The card of a data set of these tables."""
    left = " ".join(f"Note: {note}." for note in tables.notes if note)
    return DatasetCard(
        title=title,
        description=" ".join([said, left]).strip(),
        license="of its makers; every image and LoRA has its own (column license)",
        source="https://maps-research.github.io/imagegem-iccv2025/",
        citation="Guo et al., ImageGem: In-the-wild Generative Image Interaction Dataset for "
        "Generative Model Personalization, ICCV 2025",
        instructions=INSTRUCTIONS,
        notes=notes,
    )
