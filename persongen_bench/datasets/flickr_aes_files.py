"""The files of FLICKR-AES as published: where they lie, and how they are read.

The header of the ratings file has blanks before its second and third name, and so may the values;
a ratings file in the layout of REBECA's cleaned copy (an unnamed index first, ``worker_id`` and
``image_id`` last) is read as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.regular_files import read_regular
from persongen_bench.core.types import INTERACTION_COLUMNS
from persongen_bench.datasets.likes import likes
from persongen_bench.datasets.tables import Table, read_table
from persongen_bench.util.contents import contents

IMAGES = "40K"
RATINGS = "FLICKR-AES_image_labeled_by_each_worker.csv"
SCORES = "FLICKR-AES_image_score.txt"
TEST_WORKERS = "test_workers_ID.csv"
SIMULATED = "SIMULATED.txt"
"""Lies in folders that `pgbench make flickr-aes` wrote; what is made with them says so."""
MOST_BYTES = 1 << 26
"""Of the file of scores; the published one has 1.3 MB."""
N_WORKERS = 210
N_TEST_WORKERS = 37

INSTRUCTIONS = (
    "Get the bundle through the links in the README of "
    "https://github.com/alanspike/personalizedImageAesthetics (research use) and lay it out as "
    f"ROOT/{RATINGS}, ROOT/{IMAGES}/*.jpg and, if wanted, ROOT/{SCORES}. "
    "For the user-disjoint split of the aesthetics literature add "
    f"ROOT/{TEST_WORKERS}, the list of {N_TEST_WORKERS} test workers that "
    "https://github.com/yzc-ippl/MTCL publishes under code/PIAA/FlickrAES_PIAA/label. "
    "Simulated data in the same layout: `pgbench make flickr-aes --output ROOT`."
)


def existing(root: Path | None, ratings_file: str) -> Path:
    """The data folder; `DataError` with instructions where what it must hold is not there."""
    if root is None:
        raise DataError("dataset flickr-aes: no data folder named (--data ROOT)", fix=INSTRUCTIONS)
    if not (root / ratings_file).is_file():
        raise DataError(f"{root}: no file {ratings_file}", fix=INSTRUCTIONS)
    if not (root / IMAGES).is_dir():
        raise DataError(f"{root}: no folder {IMAGES}", fix=INSTRUCTIONS)
    return root


def rating_log(file: Path, like_threshold: int) -> tuple[pd.DataFrame, list[str]]:
    """Rows of `INTERACTION_COLUMNS` of images that are there; and what was left out.

    ``file`` lies in the data folder. Raises `DataError` with file and row for malformed rows.
    """
    table = read_table(file)
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
    kept, notes = _kept(ratings.astype({"user_id": "str", "item_id": "str"}), file.parent)
    liked = likes(kept["rating"].to_numpy(), like_threshold, str(table.path), clicks=False)
    return kept.assign(liked=liked), notes


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


def item_table(root: Path, ratings: pd.DataFrame) -> pd.DataFrame:
    """Rated images by name with their content and, where there, the published score in [0, 1]."""
    names = sorted(ratings["item_id"].unique())
    items = pd.DataFrame({"image": [f"{IMAGES}/{name}" for name in names]}, dtype="str")
    items.index = pd.Index(names, name="item_id", dtype="str")
    items["content"] = contents(root, list(items["image"]))
    path = root / SCORES
    if path.is_file():
        items["mean_score"] = (
            pd.Series(_mean_scores(path)).reindex(names).to_numpy(dtype=np.float64)
        )
    return items


def _mean_scores(path: Path) -> dict[str, float]:
    """``name score`` per line, blanks around both, no header."""
    scores = {}
    data = read_regular(path, "scores", MOST_BYTES)
    lines = data.decode("utf-8", errors="replace").splitlines()
    for row, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells:
            continue
        value = _unit(cells[-1])
        if len(cells) != 2 or value is None:
            raise DataError(
                f"{path} row {row}: found {line.strip()[:80]!r}, expected an image name and a "
                "score from 0 to 1",
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


def listed_testers(root: Path, ratings: pd.DataFrame) -> tuple[Sequence[str], list[str]]:
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
