"""FLICKR-AES: ratings of 40,000 photographs by 210 people (Ren et al., ICCV 2017).

The files are read as published. The header of the ratings file has blanks before its second and
third name, and so may the values; a ratings file in the layout of REBECA's cleaned copy (an
unnamed index first, ``worker_id`` and ``image_id`` last) is read as well. The bundle names more
images than its folder holds: rows of missing images are dropped and counted, not hidden (about
203,000 rows are published, 193,208 are what REBECA reports after its own cleaning).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS, Catalog
from persongen_bench.datasets import splits
from persongen_bench.datasets.image_files import ImageFiles
from persongen_bench.datasets.likes import likes
from persongen_bench.datasets.tables import Table, read_table

IMAGES = "40K"
RATINGS = "FLICKR-AES_image_labeled_by_each_worker.csv"
SCORES = "FLICKR-AES_image_score.txt"
TEST_WORKERS = "test_workers_ID.csv"
N_WORKERS = 210
N_TEST_WORKERS = 37

INSTRUCTIONS = (
    "Get the bundle through the links in the README of "
    "https://github.com/alanspike/personalizedImageAesthetics (research use) and lay it out as "
    f"ROOT/{RATINGS}, ROOT/{IMAGES}/*.jpg and, if wanted, ROOT/{SCORES}. "
    "For the user-disjoint split of the aesthetics literature add "
    f"ROOT/{TEST_WORKERS}, the list of {N_TEST_WORKERS} test workers that "
    "https://github.com/yzc-ippl/MTCL publishes under code/PIAA/FlickrAES_PIAA/label."
)

_log = logging.getLogger(__name__)


class FlickrAesConfig(BaseConfig):
    """How to read and divide the ratings."""

    like_threshold: int = Field(default=4, ge=1, le=5)
    """A score of at least this is a like (REBECA: 4)."""
    ratings_file: str = Field(default=RATINGS, pattern=r"^[^/\\]+$")
    """Name of the ratings file in the data folder."""
    n_validation: int = Field(default=10, ge=0)
    """Validation rows per user of the split ``per-user`` (REBECA: 10)."""
    n_test: int = Field(default=10, ge=1)
    """Test rows per user of the split ``per-user`` (REBECA: 10, drawn with seed 42)."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of images held out by the split ``item``."""
    test_user_fraction: float = Field(default=N_TEST_WORKERS / N_WORKERS, gt=0, lt=1)
    """Share of users held out by ``user-disjoint`` where the published list is not there."""


class FlickrAes:
    """FLICKR-AES as published: 210 workers' ratings of Flickr photographs."""

    Config: ClassVar[type[BaseConfig]] = FlickrAesConfig
    tracks: ClassVar[tuple[str, ...]] = ("prompt-free",)

    @classmethod
    def load(cls, config: FlickrAesConfig, root: Path | None) -> Dataset:
        """Read the ratings and list the images.

        What is dropped or unexpected is logged as warnings and stands in the card. Raises
        `DataError` with file and row for malformed rows, and with instructions without the data.
        """
        root = _existing(root, config.ratings_file)
        ratings, notes = _ratings(root, config)
        testers, more = _test_workers(root, ratings)
        items = _items(root, ratings)
        notes = [*notes, *more]
        for note in notes:
            _log.warning("flickr-aes: %s", note)
        catalog = Catalog(items, ImageFiles(root))
        return Dataset("flickr-aes", _card(notes), catalog, ratings, _splits(config, testers))


def _existing(root: Path | None, ratings_file: str) -> Path:
    if root is None:
        raise DataError("dataset flickr-aes: no data folder named (--data ROOT)", fix=INSTRUCTIONS)
    if not (root / ratings_file).is_file():
        raise DataError(f"{root}: no file {ratings_file}", fix=INSTRUCTIONS)
    if not (root / IMAGES).is_dir():
        raise DataError(f"{root}: no folder {IMAGES}", fix=INSTRUCTIONS)
    return root


def _ratings(root: Path, config: FlickrAesConfig) -> tuple[pd.DataFrame, list[str]]:
    table = read_table(root / config.ratings_file)
    table.require(["worker", "imagePair", "score"])
    workers, names, scores = table.ids("worker"), table.ids("imagePair"), _scores(table)
    _check_names(table)
    rows = {
        "user_id": workers.to_numpy(),
        "item_id": names.to_numpy(),
        "rating": scores,
        "liked": False,
        "timestamp": np.nan,
    }
    ratings = pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))
    kept, notes = _kept(ratings.astype({"user_id": "str", "item_id": "str"}), root)
    threshold, scores = config.like_threshold, kept["rating"].to_numpy()
    return kept.assign(liked=likes(scores, threshold, str(table.path), clicks=False)), notes


def _scores(table: Table) -> np.ndarray:
    scores = table.numbers("score")
    wrong = ~np.isin(scores, (1, 2, 3, 4, 5))
    table.reject(wrong, "score is {score}, expected 1, 2, 3, 4 or 5", "Correct it.")
    return scores


def _check_names(table: Table) -> None:
    strange = table.frame["imagePair"].str.contains(r"[/\\\0]|^\.\.?$", regex=True).to_numpy()
    table.reject(
        strange, "imagePair {imagePair} is not a plain file name", f"Use names inside {IMAGES}."
    )


def _kept(ratings: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """Rows with an image, the highest of every (user, image) pair; and what was left out."""
    notes = []
    present = ratings["item_id"].isin({entry.name for entry in os.scandir(root / IMAGES)})
    if not present.any():
        raise DataError(f"{root / IMAGES}: holds none of the rated images", fix=INSTRUCTIONS)
    if not present.all():
        n_images = ratings["item_id"][~present].nunique()
        notes.append(
            f"dropped {(~present).sum():,} of {len(ratings):,} ratings: "
            f"{n_images:,} images are not in {IMAGES}"
        )
    ratings = canonical(ratings[present])
    repeated = ratings.duplicated(["user_id", "item_id"], keep="last")
    if repeated.any():
        notes.append(
            f"dropped {repeated.sum():,} repeated ratings of the same image by the same worker "
            "(the highest is kept)"
        )
    ratings = ratings[~repeated].reset_index(drop=True)
    n_workers = ratings["user_id"].nunique()
    if n_workers != N_WORKERS:
        notes.append(f"found {n_workers} workers, the published data have {N_WORKERS}")
    return ratings, notes


def _items(root: Path, ratings: pd.DataFrame) -> pd.DataFrame:
    """Rated images by name with their size and, where there, the published score in [0, 1]."""
    names = sorted(ratings["item_id"].unique())
    items = pd.DataFrame({"image": [f"{IMAGES}/{name}" for name in names]}, dtype="str")
    items.index = pd.Index(names, name="item_id", dtype="str")
    items["bytes"] = [(root / name).stat().st_size for name in items["image"]]
    path = root / SCORES
    if path.is_file():
        items["mean_score"] = (
            pd.Series(_mean_scores(path)).reindex(names).to_numpy(dtype=np.float64)
        )
    return items


def _mean_scores(path: Path) -> dict[str, float]:
    """``name score`` per line, blanks around both, no header."""
    scores = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for row, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells:
            continue
        value = _unit(cells[-1])
        if len(cells) != 2 or value is None:
            raise DataError(
                f"{path} row {row}: found {line.strip()!r}, expected an image name and a score "
                "from 0 to 1",
                fix="Take the published file, or remove it: it is optional.",
            )
        scores[cells[0]] = value
    return scores


def _unit(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _test_workers(root: Path, ratings: pd.DataFrame) -> tuple[Sequence[str], list[str]]:
    """Published test workers who have ratings; none where the list is not there."""
    path = root / TEST_WORKERS
    if not path.is_file():
        return (), []
    table = read_table(path)
    table.require(["ID"])
    listed = set(table.ids("ID"))
    present = sorted(listed.intersection(ratings["user_id"]))
    if not present:
        raise DataError(f"{path}: none of its {len(listed)} workers has a rating", fix=INSTRUCTIONS)
    if len(present) == len(listed) == N_TEST_WORKERS:
        return present, []
    note = (
        f"{TEST_WORKERS} lists {len(listed)} workers (published: {N_TEST_WORKERS}), "
        f"{len(present)} of them have ratings"
    )
    return present, [note]


def _splits(config: FlickrAesConfig, testers: Sequence[str]) -> Mapping[str, SplitFunction]:
    return {
        splits.PER_USER: splits.per_user(config.n_validation, config.n_test),
        splits.ITEM: splits.by_item(config.test_fraction),
        splits.USER_DISJOINT: splits.user_disjoint(testers or config.test_user_fraction),
    }


def _card(notes: Sequence[str]) -> DatasetCard:
    description = "Aesthetic ratings from 1 to 5 of Flickr photographs by crowd workers."
    return DatasetCard(
        title="FLICKR-AES",
        description=" ".join([description, *(f"Note: {note}." for note in notes)]),
        license="research use; photographs under their Creative Commons licences",
        source="https://github.com/alanspike/personalizedImageAesthetics",
        citation="Ren et al., Personalized Image Aesthetics, ICCV 2017",
        instructions=INSTRUCTIONS,
    )
