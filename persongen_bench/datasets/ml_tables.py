"""The tables of MovieLens latest-small, checked row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.likes import likes
from persongen_bench.datasets.tables import Table, read_table

RATINGS, MOVIES, LINKS, TAGS = "ratings.csv", "movies.csv", "links.csv", "tags.csv"
NO_GENRES = "(no genres listed)"
_YEAR = r"\s*\(\d{4}(?:[\N{EN DASH}-]\s*(?:\d{4})?)?\)\s*$"
"""The year, or the span of years, at the end of a title."""
_FIX = "Take the published file."


def read_movies(root: Path, *, links: bool) -> pd.DataFrame:
    """By movieId: ``title, genres, subject`` (the title without its year), ``imdbId``, ``tags``.

    ``imdbId`` is there with ``links``, ``tags`` (distinct, sorted, lower case, ``|`` between)
    where there is a table of them. Raises `DataError` with file and row.
    """
    table = read_table(root / MOVIES)
    table.require(["movieId", "title", "genres"])
    _numbered(table, "movieId")
    table.unique(["movieId"])
    empty = (table.frame["title"] == "").to_numpy()
    table.reject(empty, "empty title", _FIX)
    subject = table.frame["title"].str.replace(_YEAR, "", regex=True)
    table.reject((subject == "").to_numpy(), "title {title}, expected more than a year", _FIX)
    genres = table.frame["genres"]
    bad = (~genres.str.fullmatch(r"[^|]+(\|[^|]+)*").astype(bool)).to_numpy()
    table.reject(bad, "genres are {genres}, expected names with | between them", _FIX)
    movies = table.frame[["movieId", "title"]].assign(
        genres=genres.where(genres != NO_GENRES, ""), subject=subject
    )
    movies = movies.set_index("movieId").sort_index().rename_axis("item_id")
    if links:
        movies["imdbId"] = _imdb(root, movies)
    if (root / TAGS).is_file():
        movies["tags"] = _tags(root, movies)
    return movies


def read_ratings(root: Path, movies: set[str], threshold: float) -> pd.DataFrame:
    """`INTERACTION_COLUMNS` in canonical order; `DataError` with file and row.

    Args:
        root: the data folder.
        movies: ids of the movies there are.
        threshold: the least rating of a like.
    """
    table = read_table(root / RATINGS)
    table.require(["userId", "movieId", "rating", "timestamp"])
    _numbered(table, "userId")
    _known(table, movies)
    values = table.numbers("rating")
    wrong = ~np.isin(values, np.arange(1, 11) / 2)
    table.reject(wrong, "rating is {rating}, expected 0.5 to 5 in steps of 0.5", "Correct it.")
    times = table.times("timestamp")
    table.reject(np.isnan(times), "empty timestamp, expected Unix seconds", _FIX)
    table.unique(["userId", "movieId"])
    rows = {
        "user_id": table.frame["userId"].to_numpy(),
        "item_id": table.frame["movieId"].to_numpy(),
        "rating": values,
        "liked": likes(values, threshold, str(table.path), clicks=False),
        "timestamp": times,
    }
    log = pd.DataFrame(rows, columns=list(INTERACTION_COLUMNS))
    return canonical(log.astype({"user_id": "str", "item_id": "str"}))


def _imdb(root: Path, movies: pd.DataFrame) -> pd.Series:
    if not (root / LINKS).is_file():
        raise DataError(
            f"{root}: no file {LINKS}, which says the imdbId of a movie",
            fix="Add it, or name the posters by movieId.",
        )
    table = read_table(root / LINKS)
    table.require(["movieId", "imdbId"])
    _known(table, set(movies.index))
    _numbered(table, "imdbId")
    table.unique(["movieId"])
    table.unique(["imdbId"])
    of_movie = table.frame.set_index("movieId")["imdbId"]
    return of_movie.reindex(movies.index, fill_value="")


def _tags(root: Path, movies: pd.DataFrame) -> pd.Series:
    table = read_table(root / TAGS)
    table.require(["userId", "movieId", "tag"])
    _numbered(table, "userId")
    _known(table, set(movies.index))
    table.reject((table.frame["tag"] == "").to_numpy(), "empty tag", _FIX)
    words = table.frame["tag"].str.casefold().str.replace("|", " ", regex=False)
    joined = words.groupby(table.frame["movieId"]).agg(lambda tags: "|".join(sorted(set(tags))))
    return joined.reindex(movies.index, fill_value="")


def _numbered(table: Table, column: str) -> None:
    table.ids(column)
    bad = (~table.frame[column].str.fullmatch(r"[0-9]+").astype(bool)).to_numpy()
    table.reject(bad, f"{column} is {{{column}}}, expected a whole number", _FIX)


def _known(table: Table, movies: set[str]) -> None:
    _numbered(table, "movieId")
    unknown = (~table.frame["movieId"].isin(movies)).to_numpy()
    table.reject(
        unknown, f"movieId {{movieId}} is not in {MOVIES}", "Take both files of one release."
    )
