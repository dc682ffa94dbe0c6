"""A user's own catalogue and interaction log.

The data folder holds ``items.csv`` (or ``.parquet``) with the columns ``item_id`` and ``image`` (a
path relative to the folder) and any of ``caption``, ``theme``, ``style``, ``content_id`` and
further attributes; and ``interactions.csv`` (or ``.parquet``) with ``user_id``, ``item_id``,
``rating`` and, if known, ``timestamp`` (Unix seconds or ISO 8601, UTC where no zone is given).

A catalogue without a log can be used with ``pseudo_users=N``: simulated people over labels of
the items, with a known taste; see `persongen_bench.datasets.pseudo_users`.
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
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.datasets import image_files, splits
from persongen_bench.datasets.pseudo_users import PseudoSettings, PseudoTaste, simulate
from persongen_bench.datasets.tables import Table, find_table, read_table
from persongen_bench.util.progress import bars


class FolderConfig(BaseConfig):
    """How to read the folder."""

    like_threshold: float | None = None
    """A rating of at least this is a like. Default: 4 (of 5 stars), or 1 if all are 0 or 1."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of items, groups, rows, users or times that the splits hold out (per-user: 10 + 10)."""
    pseudo_users: int = Field(default=0, ge=0)
    """How many people to simulate; 0: read the interaction log."""
    pseudo_columns: str = "theme,style"
    """Label columns that the simulated taste is made of, separated by commas."""
    ratings_per_user: int = Field(default=100, ge=1)
    """Length of a simulated person's log."""
    seed: int = Field(default=0, ge=0)
    """Seed of the simulated people."""
    verify: bool = False
    """Open every image while loading, instead of when it is first needed."""


class Folder:
    """Your own catalogue of images with its interaction log, or with simulated people."""

    Config: ClassVar[type[BaseConfig]] = FolderConfig
    tracks: ClassVar[tuple[str, ...]] = ("prompt-free",)

    @classmethod
    def load(cls, config: FolderConfig, root: Path | None) -> Dataset:
        """Read and check everything but the pixels; raises `DataError` with file, row and fix."""
        root = _existing(root)
        catalog = _catalog(root)
        if config.verify:
            with bars() as progress:
                image_files.verify(catalog, progress)
        log, taste = _log(root, catalog, config)
        return Dataset(
            "folder", _card(root, taste), catalog, log, _splits(catalog, log, config), taste
        )


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError(
            "dataset folder: no data folder named",
            fix="Name the folder that holds items.csv and its images (--data FOLDER).",
        )
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", fix="Name the folder that holds items.csv.")
    return root


def _catalog(root: Path) -> Catalog:
    path = find_table(root, "items")
    if path is None:
        raise DataError(
            f"{root}: no items.csv or items.parquet",
            fix="Add one with the columns item_id and image.",
        )
    table = read_table(path)
    table.require(["item_id", "image"])
    table.ids("item_id")
    table.unique(["item_id"])
    image_files.check_paths(table, root)
    items = table.frame.set_index("item_id")
    items["sha256"] = image_files.checksums(root, items["image"])
    return Catalog(items, image_files.ImageFiles(root))


def _log(
    root: Path, catalog: Catalog, config: FolderConfig
) -> tuple[pd.DataFrame, PseudoTaste | None]:
    path = find_table(root, "interactions")
    if config.pseudo_users:
        if path is not None:
            raise ConfigError(
                f"pseudo_users={config.pseudo_users}, but {path} is there",
                fix="Leave pseudo_users out, or move the log away.",
            )
        return _simulated(catalog, config)
    if path is None:
        raise DataError(
            f"{root}: no interactions.csv or interactions.parquet",
            fix="Add one with the columns user_id, item_id and rating, or simulate people over "
            "the labels of the items with --data-option pseudo_users=200.",
        )
    return _read_log(path, catalog, config.like_threshold), None


def _simulated(catalog: Catalog, config: FolderConfig) -> tuple[pd.DataFrame, PseudoTaste]:
    columns = tuple(name.strip() for name in config.pseudo_columns.split(",") if name.strip())
    settings = PseudoSettings(config.pseudo_users, columns, config.ratings_per_user, config.seed)
    log, taste = simulate(catalog, settings)
    times = np.full(len(log), np.nan)
    ratings = log["rating"].to_numpy(dtype=np.float64)
    return _interactions(log, ratings, times, config.like_threshold), taste


def _read_log(path: Path, catalog: Catalog, like_threshold: float | None) -> pd.DataFrame:
    table = read_table(path)
    table.require(["user_id", "item_id", "rating"])
    table.ids("user_id")
    items = table.ids("item_id")
    unknown = ~items.isin(catalog.items.index).to_numpy()
    table.reject(unknown, "item_id {item_id} is not in the catalogue", "Add it to the items.")
    table.unique(["user_id", "item_id"])
    return _interactions(table.frame, table.numbers("rating"), _times(table), like_threshold)


def _times(table: Table) -> Float[np.ndarray, " n"]:
    if "timestamp" not in table.frame.columns:
        return np.full(len(table), np.nan)
    return table.times("timestamp")


def _interactions(
    rows: pd.DataFrame,
    ratings: Float[np.ndarray, " n"],
    times: Float[np.ndarray, " n"],
    like_threshold: float | None,
) -> pd.DataFrame:
    if like_threshold is None:
        like_threshold = 1.0 if np.isin(ratings, (0.0, 1.0)).all() else 4.0
    columns = {
        "user_id": rows["user_id"].to_numpy(),
        "item_id": rows["item_id"].to_numpy(),
        "rating": ratings,
        "liked": ratings >= like_threshold,
        "timestamp": times,
    }
    return pd.DataFrame(columns, columns=list(INTERACTION_COLUMNS)).astype(
        {"user_id": "str", "item_id": "str"}
    )


def _splits(
    catalog: Catalog, log: pd.DataFrame, config: FolderConfig
) -> Mapping[str, SplitFunction]:
    fraction = config.test_fraction
    ways = {splits.ITEM: splits.by_item(fraction)}
    if "content_id" in catalog.items.columns:
        groups = catalog.items["content_id"]
        alone = groups.where(groups != "", "item " + groups.index.astype("str"))
        group_of = dict(zip(catalog.ids, alone, strict=True))
        ways[splits.CONTENT] = splits.by_group(group_of, fraction, splits.CONTENT)
    ways[splits.ROW] = splits.by_row(fraction)
    ways[splits.PER_USER] = splits.per_user()
    ways[splits.USER_DISJOINT] = splits.user_disjoint(fraction)
    if log["timestamp"].notna().all():
        ways[splits.TEMPORAL] = splits.temporal(fraction)
    return ways


def _card(root: Path, taste: PseudoTaste | None) -> DatasetCard:
    people = "the people in its interaction log"
    if taste is not None:
        settings = taste.settings
        people = (
            f"{settings.n_users} simulated people with a known taste over "
            f"{' x '.join(settings.columns)} (seed {settings.seed}), who are not real users"
        )
    return DatasetCard(
        title=f"Catalogue {root.resolve().name}",
        description=f"A catalogue of the user's own, with {people}.",
        license="the owner's",
        source="a local folder",
    )
