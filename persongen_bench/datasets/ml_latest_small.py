"""MovieLens latest-small: 100,836 ratings of 9,742 movies by 610 people (GroupLens, 2018).

``ratings.csv``, ``movies.csv``, ``links.csv`` and ``tags.csv`` are read as published. Posters are
not part of it: they come from a folder of files named by ``movieId`` or ``imdbId``, and movies
without one are left out and counted. Recommendation needs no pictures: ``pictures=none`` keeps all
rated movies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, SplitFunction
from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Catalog, NoImages
from persongen_bench.datasets import reference_splits as ways
from persongen_bench.datasets.image_files import ImageFiles
from persongen_bench.datasets.leave_one_last import LEAVE_ONE_LAST, leave_one_last
from persongen_bench.datasets.ml_tables import MOVIES, RATINGS, read_movies, read_ratings
from persongen_bench.datasets.reference_asks import (
    RECONSTRUCTION,
    ReferenceName,
    reference_rule,
)
from persongen_bench.datasets.reference_config import ReferenceConfig
from persongen_bench.datasets.reference_data import ReferenceData
from persongen_bench.datasets.reference_pictures import pictures_by_name, with_pictures
from persongen_bench.datasets.reference_users import CHUNK, chunks_as_users, windows_as_users

INSTRUCTIONS = (
    "Get ml-latest-small.zip from https://grouplens.org/datasets/movielens/latest/ and unpack it "
    "to ROOT; put posters of your own into ROOT/posters/<movieId>.jpg (or by imdbId: --data-option "
    "posters_by=imdbId), or go without: recommendation (--track recommendation) needs none."
)


POSTERS = "posters"
"""Where posters lie unless it is said."""


class MlLatestSmallConfig(ReferenceConfig):
    """What is liked, whose posters there are, and who is a user."""

    pictures: Literal["auto", "posters", "none"] = "auto"
    """``posters``: movies that have one, for the tracks ``reference`` and ``recommendation``.
    ``none``: every movie that somebody rated, without pictures, for ``recommendation``. ``auto``:
    ``posters``, but ``none`` of persons where there is no folder ``posters``."""
    like_threshold: float = Field(default=4.0, ge=0.5, le=5)
    """A rating of at least this is a like (the papers' code: 4)."""
    users: Literal["persons", "windows", "chunks"] = "persons"
    """``persons``: those who rated. ``windows``: every six consecutive likes of a person are a user
    (Pigeon), divided by ``paper-samples``. ``chunks``: every 20 consecutive ratings of a person are
    (RAGAR)."""
    posters: str = Field(default=POSTERS, pattern=r"^[^/\\]+$")
    """Name of the folder of posters in the data folder."""
    posters_by: Literal["movieId", "imdbId"] = "movieId"
    """What posters are named by; of an imdbId also with ``tt`` before it."""
    reference: ReferenceName = "target"
    """``target``: the poster asked for is the one to follow (the papers). ``neutral``: a poster
    that others like and the user did not rate."""


class MlLatestSmall:
    """Movie posters, and people who rated the movies."""

    Config: ClassVar[type[BaseConfig]] = MlLatestSmallConfig
    tracks: ClassVar[tuple[str, ...]] = ("reference", "recommendation")

    @classmethod
    def load(cls, config: MlLatestSmallConfig, root: Path | None) -> Dataset:
        """Read the tables and list the posters; what is left out is counted in the card.

        Raises `DataError` with file and row for what is malformed, and with instructions where the
        data are not there.
        """
        root = _existing(root)
        movies = read_movies(root, links=config.posters_by == "imdbId")
        ratings = read_ratings(root, set(movies.index), config.like_threshold)
        if not _pictured(root, config):
            return _without_pictures(movies, ratings, config)
        catalog, notes = _catalog(root, movies, config)
        log, more = _log_of(ratings, catalog, config)
        data = ReferenceData("ml-latest-small", catalog, log, notes + more)
        rule = reference_rule(config.reference, catalog)
        made = data.dataset(_card(data, config), rule, _split(config), config.requests_per_user)
        if config.users != "persons":
            return made
        return replace(made, splits={**made.splits, **_last()})


def _pictured(root: Path, config: MlLatestSmallConfig) -> bool:
    if config.pictures != "auto":
        return config.pictures == "posters"
    asked_for = config.users != "persons" or config.posters != POSTERS
    return asked_for or (root / POSTERS).is_dir()


def _without_pictures(
    movies: pd.DataFrame, ratings: pd.DataFrame, config: MlLatestSmallConfig
) -> Dataset:
    """Every rated movie and everybody; their latest like is held out."""
    if config.users != "persons":
        raise DataError(
            f"dataset ml-latest-small: users={config.users} with pictures=none",
            fix="Use --data-option users=persons: windows and chunks are of the track reference.",
        )
    rated = movies[movies.index.isin(set(ratings["item_id"]))]
    notes = []
    if len(rated) < len(movies):
        n_lost = len(movies) - len(rated)
        notes = [f"dropped {n_lost:,} of {len(movies):,} movies, which nobody rated"]
    data = ReferenceData("ml-latest-small", Catalog(rated, NoImages()), ratings, notes)
    card = _card(data, config)
    return Dataset(data.name, card, data.catalog, ratings, splits=_last())


def _last() -> dict[str, SplitFunction]:
    return {LEAVE_ONE_LAST: leave_one_last()}


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError(
            "dataset ml-latest-small: no data folder named (--data ROOT)", fix=INSTRUCTIONS
        )
    for name in (RATINGS, MOVIES):
        if not (root / name).is_file():
            raise DataError(f"{root}: no file {name}", fix=INSTRUCTIONS)
    return root


def _catalog(
    root: Path, movies: pd.DataFrame, config: MlLatestSmallConfig
) -> tuple[Catalog, list[str]]:
    """Movies with a poster, and what was left out."""
    files = pictures_by_name(root, config.posters)
    if config.posters_by == "imdbId":
        files = _by_number(files, root)
        names = [name.lstrip("0") or "none" for name in movies["imdbId"]]
    else:
        names = [str(name) for name in movies.index]
    items = with_pictures(movies, files, names, root)
    if items.empty:
        raise DataError(
            f"{root / config.posters}: none of {len(files):,} pictures, such as "
            f"{next(iter(files.values()))}, is named by a {config.posters_by} of {MOVIES}",
            fix="Name them by it, or use --data-option posters_by=imdbId or movieId.",
        )
    notes = []
    if len(items) < len(movies):
        notes.append(
            f"dropped {len(movies) - len(items):,} of {len(movies):,} movies, which have no poster "
            f"in {config.posters}"
        )
    unused = len(set(files) - set(names))
    if unused:
        notes.append(f"passed over {unused:,} pictures in {config.posters} that are of no movie")
    return Catalog(items, ImageFiles(root)), notes


def _by_number(files: Mapping[str, str], root: Path) -> dict[str, str]:
    """The pictures by the number of their imdbId, with or without ``tt`` and zeros before it."""
    numbers: dict[str, str] = {}
    for name, path in files.items():
        number = name.removeprefix("tt").lstrip("0")
        if number in numbers:
            raise DataError(
                f"{root}: {numbers[number]} and {path} are of one imdbId, expected one poster",
                fix="Remove one of them.",
            )
        numbers[number] = path
    return numbers


def _log_of(
    ratings: pd.DataFrame, catalog: Catalog, config: MlLatestSmallConfig
) -> tuple[pd.DataFrame, list[str]]:
    log = ratings[ratings["item_id"].isin(catalog.items.index)].reset_index(drop=True)
    notes = []
    if len(log) < len(ratings):
        n_lost = ratings["user_id"].nunique() - log["user_id"].nunique()
        notes.append(
            f"dropped {len(ratings) - len(log):,} of {len(ratings):,} ratings of movies without a "
            f"poster, and with them {n_lost:,} persons"
        )
    if config.users == "persons":
        return log, notes
    made = windows_as_users(log) if config.users == "windows" else chunks_as_users(log)
    if made.empty:
        raise DataError(f"{RATINGS}: too few ratings with a poster for one of the {config.users}")
    if config.users == "chunks":
        notes.append(
            f"dropped {len(log) - len(made):,} ratings, at the end of a person's, that are fewer "
            f"than {CHUNK}"
        )
    return made, notes


def _split(config: MlLatestSmallConfig) -> tuple[str, SplitFunction] | None:
    if config.users == "windows":
        return None
    return ways.LATEST_LIKES, ways.latest_likes(config.test_fraction, config.least_likes)


_WHO = {
    "persons": "persons",
    "windows": "windows of six likes, which are no persons",
    "chunks": f"chunks of {CHUNK} ratings, which are no persons",
}


def _card(data: ReferenceData, config: MlLatestSmallConfig) -> DatasetCard:
    log = data.log
    what = "Posters of" if data.catalog.pictured else "Without pictures:"
    said = (
        f"{what} {len(data.catalog):,} movies with {len(log):,} ratings from 0.5 to 5 "
        f"({log['liked'].mean():.3f} of them likes: at least {config.like_threshold:g}) of "
        f"{log['user_id'].nunique():,} users ({_WHO[config.users]})."
    )
    targets = data.catalog.pictured and config.reference == "target"
    meaning = [RECONSTRUCTION] if targets else []
    if config.users == "windows":
        meaning.append(
            "Users are windows of six likes: those of a person share posters, so that the posters "
            "asked for are trained on, and intervals over windows are too narrow."
        )
    if config.users == "chunks":
        meaning.append(
            f"Users are chunks of {CHUNK} ratings: those of a person share a taste, so that "
            "intervals over chunks are too narrow."
        )
    return DatasetCard(
        title="MovieLens latest-small",
        description=data.described(said),
        license="MovieLens terms: research, no commercial use; posters are their owners'",
        source="https://grouplens.org/datasets/movielens/latest/",
        citation="Harper and Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015",
        instructions=INSTRUCTIONS,
        notes=tuple(meaning),
    )
