"""POG: what people of a fashion shop clicked, with pictures and titles (Chen et al., KDD 2019).

``user_data.txt``, ``item_data.txt`` and ``outfit_data.txt`` are read as published. Pictures are
published as addresses: those that were fetched lie in a folder, named by the item; items without
one are left out and counted. A subset of the people is drawn by seed, 1,000 of them by default as
in RAGAR (paper 002, Table 2), among those with enough clicks and whatever pictures there are.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import implicit, pog_files
from persongen_bench.datasets import reference_splits as ways
from persongen_bench.datasets.image_files import ImageFiles
from persongen_bench.datasets.pog_files import ITEMS, OUTFITS, USERS
from persongen_bench.datasets.reference_asks import (
    RECONSTRUCTION,
    ReferenceName,
    reference_rule,
)
from persongen_bench.datasets.reference_config import ReferenceConfig
from persongen_bench.datasets.reference_data import ReferenceData
from persongen_bench.datasets.reference_pictures import pictures_by_name, with_pictures
from persongen_bench.datasets.reference_users import windows_as_users

INSTRUCTIONS = (
    "Get user_data.txt, item_data.txt and outfit_data.txt through "
    "https://github.com/wenyuer/POG, put them into ROOT, and fetch the pictures of the items "
    "(third cell of item_data.txt; many addresses are dead) into ROOT/images/<item>.jpg."
)


class PogConfig(ReferenceConfig):
    """Whom to take, and what they like."""

    n_users: int = Field(default=1000, ge=0)
    """How many people are drawn by ``seed`` (RAGAR: 1,000); 0: all."""
    likes: Literal["clicks", "outfits"] = "clicks"
    """``clicks``: the items that somebody clicked. ``outfits``: the items of the outfits that
    somebody clicked (PMG)."""
    users: Literal["persons", "windows"] = "persons"
    """``windows``: every six consecutive likes are a user, divided by ``paper-samples``."""
    images: str = Field(default="images", pattern=r"^[^/\\]+$")
    """Name of the folder of pictures in the data folder."""
    reference: ReferenceName = "target"
    """``target``: the item asked for is the one to follow (RAGAR). ``neutral``: one that others
    like and the user did not click."""
    negatives: implicit.Negatives = "popular"
    """How dislikes are sampled from what a person did not click; see
    `persongen_bench.datasets.implicit`."""
    negative_ratio: float = Field(default=1.0, gt=0, le=100)
    """Sampled dislikes per like."""


class Pog:
    """Fashion items, and people who clicked them."""

    Config: ClassVar[type[BaseConfig]] = PogConfig
    tracks: ClassVar[tuple[str, ...]] = ("reference",)

    @classmethod
    def load(cls, config: PogConfig, root: Path | None) -> Dataset:
        """Draw people, read what they like and list the pictures; what is left out is counted.

        Raises `DataError` with file and row for what is malformed, and with instructions where the
        data are not there.
        """
        root = _existing(root, config)
        events, notes = _events(root, config)
        catalog, more = _catalog(root, events, config)
        log, lost = _log_of(events, catalog, config)
        data = ReferenceData("pog", catalog, log, notes + more + lost)
        rule = reference_rule(config.reference, catalog)
        latest = ways.latest_likes(config.test_fraction, config.least_likes)
        split = None if config.users == "windows" else (ways.LATEST_LIKES, latest)
        return data.dataset(_card(data, config), rule, split, config.requests_per_user)


def _existing(root: Path | None, config: PogConfig) -> Path:
    if root is None:
        raise DataError("dataset pog: no data folder named (--data ROOT)", fix=INSTRUCTIONS)
    for name in (USERS, ITEMS, OUTFITS)[: 3 if config.likes == "outfits" else 2]:
        if not (root / name).is_file():
            raise DataError(f"{root}: no file {name}", fix=INSTRUCTIONS)
    return root


def _events(root: Path, config: PogConfig) -> tuple[pd.DataFrame, list[str]]:
    """``user_id, item_id`` of the drawn people, each one's in the order of the file."""
    path = root / USERS
    users = pog_files.draw_users(path, config.n_users, config.least_likes, config.seed)
    if not users:
        raise DataError(
            f"{path}: nobody clicked {config.least_likes} different items on one row",
            fix="Take the published file, or name a lower number (--data-option least_likes=2).",
        )
    notes = [f"drew {len(users):,} people by seed {config.seed}"]
    lines = [line for line in pog_files.read_clicks(path) if line.user in users]
    if config.likes == "clicks":
        pairs = [(line.user, item) for line in lines for item in line.items]
    else:
        known = pog_files.read_outfits(root / OUTFITS, {line.outfit for line in lines})
        unknown = {line.outfit for line in lines} - set(known)
        if unknown:
            notes.append(f"dropped {len(unknown):,} outfits that are not in {OUTFITS}")
        pairs = [(line.user, item) for line in lines for item in known.get(line.outfit, ())]
    return pd.DataFrame(pairs, columns=["user_id", "item_id"], dtype="str"), notes


def _catalog(root: Path, events: pd.DataFrame, config: PogConfig) -> tuple[Catalog, list[str]]:
    """The items with a picture: ``image, category, url, title, subject, sha256``."""
    wanted = set(events["item_id"])
    read = pog_files.read_items(root / ITEMS, wanted)
    notes = []
    if len(read) < len(wanted):
        notes.append(f"dropped {len(wanted) - len(read):,} items that are not in {ITEMS}")
    rows = [(item_id, *astuple(item)) for item_id, item in sorted(read.items())]
    items = pd.DataFrame(rows, columns=["item_id", "category", "url", "title"], dtype="str")
    items = items.assign(subject=items["title"]).set_index("item_id")
    files = pictures_by_name(root, config.images)
    kept = with_pictures(items, files, list(items.index), root)
    if kept.empty:
        raise DataError(
            f"{root / config.images}: none of {len(files):,} pictures is named by one of the "
            f"{len(items):,} items of the drawn people, such as {next(iter(sorted(read)), 'none')}",
            fix=INSTRUCTIONS,
        )
    if len(kept) < len(items):
        notes.append(
            f"dropped {len(items) - len(kept):,} of {len(items):,} items, which have no picture in "
            f"{config.images}"
        )
    return Catalog(kept, ImageFiles(root)), notes


def _log_of(
    events: pd.DataFrame, catalog: Catalog, config: PogConfig
) -> tuple[pd.DataFrame, list[str]]:
    there = events["item_id"].isin(catalog.items.index)
    rows = events[there].reset_index(drop=True)
    notes = []
    lost = events["user_id"].nunique() - rows["user_id"].nunique()
    if lost:
        notes.append(f"dropped {lost:,} people, none of whose items has a picture")
    place = rows.groupby("user_id").cumcount().to_numpy(dtype=np.float64)
    counted = implicit.counted(rows, place)
    if config.users == "windows":
        log = windows_as_users(counted.assign(liked=True))
        if log.empty:
            raise DataError("pog: nobody has likes enough for a window", fix="Add pictures.")
        return log, notes
    rule = implicit.NegativeRule(config.negatives, config.negative_ratio, config.seed)
    log = canonical(implicit.with_negatives(counted, catalog.items.index, rule, USERS))
    return log, notes


def _card(data: ReferenceData, config: PogConfig) -> DatasetCard:
    log = data.log
    said = (
        f"{len(data.catalog):,} fashion items and {int(log['liked'].sum()):,} likes "
        f"({config.likes}) of {log['user_id'].nunique():,} users ({config.users})."
    )
    meaning = [RECONSTRUCTION] if config.reference == "target" else []
    meaning.append("The order of the rows of a person, and of the items in them, stands for time.")
    if config.users == "windows":
        meaning.append(
            "Users are windows of six likes: those of a person share pictures, so that what is "
            "asked for is trained on, and intervals over windows are too narrow."
        )
    else:
        rule = implicit.NegativeRule(config.negatives, config.negative_ratio, config.seed)
        meaning += implicit.notes(log, rule)
    return DatasetCard(
        title="POG",
        description=data.described(said),
        license="research use; pictures are their owners'",
        source="https://github.com/wenyuer/POG",
        citation="Chen et al., POG: Personalized Outfit Generation for Fashion Recommendation at "
        "Alibaba iFashion, KDD 2019",
        instructions=INSTRUCTIONS,
        notes=tuple(meaning),
    )
