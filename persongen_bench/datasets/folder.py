"""A user's own catalogue and interaction log.

The data folder holds ``items.csv`` (or ``.parquet``) with the columns ``item_id`` and ``image`` (a
path relative to the folder) and any of ``caption``, ``theme``, ``style``, ``content_id`` and
further attributes; and ``interactions.csv`` (or ``.parquet``) with ``user_id``, ``item_id``,
``rating`` and, if known, ``timestamp`` (Unix seconds or ISO 8601, UTC where no zone is given).

The order of the rows and columns of the files does not matter: items are sorted by id, rows by
user, item, time and rating. Which ratings are likes: `persongen_bench.datasets.likes`; logs of
clicks without ratings: ``feedback=implicit``, see `persongen_bench.datasets.implicit`.

The references that the track ``reference`` follows: `persongen_bench.datasets.folder_references`.

A catalogue without a log can be used with ``pseudo_users=N``: simulated people over labels of
the items, with a known taste; see `persongen_bench.datasets.pseudo_users`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import causes, image_files, splits
from persongen_bench.datasets.folder_log import Log, LogConfig, read_log, simulated_log
from persongen_bench.datasets.folder_references import folder_asks
from persongen_bench.datasets.pseudo_users import PseudoSettings
from persongen_bench.datasets.tables import Table, find_table, read_table
from persongen_bench.util.progress import bars

_OPTIONAL = ("caption", "subject", "theme", "style", "content_id")
"""Columns of the items that are read where they are there."""
_NO_LABELS = ("image", "caption", "subject", "content_id", "sha256")


class FolderConfig(LogConfig):
    """How to read the folder."""

    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of items, groups, rows, users or times that the splits hold out (per-user: 10 + 10)."""
    pseudo_users: int = Field(default=0, ge=0)
    """How many people to simulate; 0: read the interaction log."""
    pseudo_columns: str = "theme,style"
    """Label columns that the simulated taste is made of, separated by commas."""
    ratings_per_user: int = Field(default=100, ge=1)
    """Length of a simulated person's log."""
    requests_per_user: int = Field(default=0, ge=0)
    """On the track ``reference`` without a table of references: at most so many requests a user;
    0: one for each held-out like."""
    verify: bool = False
    """Open every image while loading, instead of when it is first needed."""


class Folder:
    """Your own catalogue of images with its interaction log, or with simulated people."""

    Config: ClassVar[type[BaseConfig]] = FolderConfig
    tracks: ClassVar[tuple[str, ...]] = ("prompt-free", "reference")

    @classmethod
    def load(cls, config: FolderConfig, root: Path | None) -> Dataset:
        """Read and check everything but the pixels; raises `DataError` with file, row and fix."""
        root = _existing(root)
        catalog = _catalog(root)
        if config.verify:
            with bars() as progress:
                image_files.verify(catalog, progress)
        log = _log(root, catalog, config)
        ways = _splits(catalog, log.interactions, config)
        asks = folder_asks(root, catalog, log.interactions, config.requests_per_user)
        return Dataset("folder", _card(root, log), catalog, log.interactions, ways, log.taste, asks)


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
    table.require(["item_id", "image"], optional=_OPTIONAL)
    table.ids("item_id")
    table.unique(["item_id"])
    _explain_missing(table, root)
    image_files.check_paths(table, root)
    items = table.frame.set_index("item_id").sort_index()
    items = items[["image", *sorted(items.columns.drop("image"))]]
    items["sha256"] = image_files.checksums(root, items["image"])
    return Catalog(items, image_files.ImageFiles(root))


def _explain_missing(table: Table, root: Path) -> None:
    """Raise `DataError` for the first image that is not there, if its likely cause is known."""
    names = table.frame["image"]
    for place, name in enumerate(names):
        if Path(name).is_absolute() or ".." in name or causes.is_file(root, name):
            continue
        cause = causes.missing_file(root, name)
        if cause is not None:
            missing = names.index == names.index[place]
            table.reject(missing, "image {image}: no such file", cause)
        return


def _log(root: Path, catalog: Catalog, config: FolderConfig) -> Log:
    path = find_table(root, "interactions")
    if config.pseudo_users:
        if path is not None:
            raise ConfigError(
                f"pseudo_users={config.pseudo_users}, but {path} is there",
                fix="Leave pseudo_users out, or move the log away.",
            )
        names = tuple(name.strip() for name in config.pseudo_columns.split(",") if name.strip())
        settings = PseudoSettings(config.pseudo_users, names, config.ratings_per_user, config.seed)
        return simulated_log(catalog, settings, config)
    if path is None:
        raise DataError(
            f"{root}: no interactions.csv or interactions.parquet",
            fix=f"Add one with the columns user_id, item_id and rating{_simulate(catalog)}.",
        )
    return read_log(path, catalog, config)


def _simulate(catalog: Catalog) -> str:
    """The advice to simulate people, with options that work on this catalogue."""
    items = catalog.items.drop(columns=list(_NO_LABELS), errors="ignore")
    labels = [str(name) for name in items if 1 < items[name].nunique() < len(items)]
    if not labels:
        return ""
    chosen = [name for name in ("theme", "style") if name in labels] or labels[:2]
    options = [f"pseudo_users=200 --data-option pseudo_columns={','.join(chosen)}"]
    if len(items) < FolderConfig().ratings_per_user:
        options.append(f"ratings_per_user={max(1, len(items) // 2)}")
    return (
        ", or simulate people over the labels of the items with --data-option "
        + " --data-option ".join(options)
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


def _card(root: Path, log: Log) -> DatasetCard:
    people = "the people in its interaction log"
    if log.taste is not None:
        settings = log.taste.settings
        people = (
            f"{settings.n_users} simulated people with a known taste over "
            f"{' x '.join(settings.columns)} (seed {settings.seed}), who are not real users"
        )
    return DatasetCard(
        title=f"Catalogue {root.resolve().name}",
        description=" ".join([f"A catalogue of the user's own, with {people}.", *log.notes]),
        license="the owner's",
        source="a local folder",
        notes=log.notes,
    )
