"""FLICKR-AES: ratings of 40,000 photographs by 210 people (Ren et al., ICCV 2017).

The files are read as published. The header of the ratings file has blanks before its second and
third name, and so may the values; a ratings file in the layout of REBECA's cleaned copy (an
unnamed index first, ``worker_id`` and ``image_id`` last) is read as well. The bundle names more
images than its folder holds: rows of missing images are dropped and counted, not hidden (about
203,000 rows are published, 193,208 are what REBECA reports after its own cleaning).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Catalog
from persongen_bench.datasets import splits
from persongen_bench.datasets.flickr_aes_files import (
    INSTRUCTIONS,
    N_TEST_WORKERS,
    N_WORKERS,
    RATINGS,
    SIMULATED,
    existing,
    item_table,
    listed_testers,
    rating_log,
)
from persongen_bench.datasets.folds import k_fold
from persongen_bench.datasets.image_files import ImageFiles

SHARED_IMAGES = (
    "The split per-user (REBECA's, and the default) and the folds of rows hold out ratings, not "
    "images: most held-out images are trained on with what other workers say of them. The split "
    "item and the folds of items hold out images."
)
SIMULATED_DATA = (
    "Workers, ratings and pictures are simulated (pgbench make flickr-aes): no number made with "
    "them is one of FLICKR-AES."
)

_log = logging.getLogger(__name__)


class FlickrAesConfig(BaseConfig):
    """How to read and divide the ratings."""

    like_threshold: int = Field(default=4, ge=1, le=5)
    """A score of at least this is a like (REBECA: 4)."""
    least_likes: int = Field(default=0, ge=0)
    """Workers with fewer likes are left out with all their ratings (REBECA's extended abstract,
    section 4.1: 100; the paper: 0), and so are images that nobody else rated."""
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
    folds: int = Field(default=5, ge=2)
    """Parts of cross-validation: ``fold-0-of-5`` of rows, ``item-fold-0-of-5`` of images."""


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
        root = existing(root, config.ratings_file)
        ratings, notes = rating_log(root / config.ratings_file, config.like_threshold)
        testers, more = listed_testers(root, ratings)
        notes = [*notes, *more]
        if config.least_likes:
            ratings, testers, more = _active(ratings, testers, config.least_likes)
            notes = [*notes, *more]
        for note in notes:
            _log.warning("flickr-aes: %s", note)
        catalog = Catalog(item_table(root, ratings), ImageFiles(root))
        card = _card(notes, simulated=(root / SIMULATED).is_file())
        return Dataset("flickr-aes", card, catalog, ratings, _splits(config, testers))


def _active(
    ratings: pd.DataFrame, testers: Sequence[str], least: int
) -> tuple[pd.DataFrame, Sequence[str], list[str]]:
    """Rows of the workers with at least ``least`` likes, their test workers, and what was dropped.

    Raises `ConfigError` where nobody has so many.
    """
    n_likes = ratings.groupby("user_id")["liked"].sum()
    stay = set(n_likes.index[n_likes >= least])
    if not stay:
        raise ConfigError(
            f"no worker of flickr-aes has {least:,} likes, the most are {n_likes.max():,}",
            fix="Lower --data-option least_likes.",
        )
    kept = ratings[ratings["user_id"].isin(stay)].reset_index(drop=True)
    n_images = ratings["item_id"].nunique() - kept["item_id"].nunique()
    dropped = (
        f"dropped {len(n_likes) - len(stay):,} of {len(n_likes):,} workers with fewer than {least} "
        f"likes, with {len(ratings) - len(kept):,} of {len(ratings):,} ratings and {n_images:,} "
        "images that nobody else rated"
    )
    notes, still = [dropped], [tester for tester in testers if tester in stay]
    if len(still) < len(testers):
        drawn = "" if still else ", so that user-disjoint draws its test workers"
        notes.append(f"{len(still)} of the {len(testers)} listed test workers are left{drawn}")
    return kept, still, notes


def _splits(config: FlickrAesConfig, testers: Sequence[str]) -> Mapping[str, SplitFunction]:
    return {
        splits.PER_USER: splits.per_user(config.n_validation, config.n_test),
        splits.ITEM: splits.by_item(config.test_fraction),
        splits.USER_DISJOINT: splits.user_disjoint(testers or config.test_user_fraction),
        **k_fold(config.folds),
        **k_fold(config.folds, "items"),
    }


def _card(notes: Sequence[str], *, simulated: bool) -> DatasetCard:
    description = "Aesthetic ratings from 1 to 5 of Flickr photographs by crowd workers."
    return DatasetCard(
        title="FLICKR-AES, simulated" if simulated else "FLICKR-AES",
        description=" ".join([description, *(f"Note: {note}." for note in notes)]),
        license="research use; photographs under their Creative Commons licences",
        source="https://github.com/alanspike/personalizedImageAesthetics",
        citation="Ren et al., Personalized Image Aesthetics, ICCV 2017",
        instructions=INSTRUCTIONS,
        notes=(SIMULATED_DATA, SHARED_IMAGES) if simulated else (SHARED_IMAGES,),
    )
