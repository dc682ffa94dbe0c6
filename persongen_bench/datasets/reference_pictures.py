"""Pictures that a data set publishes without: a folder of files named by an id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.datasets import image_files
from persongen_bench.datasets.tables import Table

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif")
"""Endings of pictures, in any case; other files are passed over."""


def pictures_by_name(root: Path, folder: str) -> dict[str, str]:
    """Name without ending => path relative to ``root``, of the pictures right in ``root/folder``.

    Raises `DataError` where the folder is not there, holds no picture, or two of one name.
    """
    if not (root / folder).is_dir():
        raise DataError(
            f"{root}: no folder {folder}", fix=f"Put the pictures there: {folder}/<id>.jpg."
        )
    files: dict[str, str] = {}
    for path in sorted((root / folder).iterdir()):
        if path.suffix.casefold() not in SUFFIXES:
            continue
        if path.stem in files:
            raise DataError(
                f"{root / folder}: {Path(files[path.stem]).name} and {path.name} have one name, "
                "expected one picture of each id",
                fix="Remove one of them.",
            )
        files[path.stem] = f"{folder}/{path.name}"
    if not files:
        raise DataError(
            f"{root / folder}: no pictures, expected files such as <id>.jpg",
            fix=f"Add them; endings that count are {', '.join(SUFFIXES)}.",
        )
    return files


def with_pictures(
    items: pd.DataFrame, files: Mapping[str, str], names: Sequence[str], root: Path
) -> pd.DataFrame:
    """The items that have a picture, sorted by id, with the columns ``image`` and ``sha256``.

    Args:
        items: indexed by id.
        files: as `pictures_by_name` gives them.
        names: per item the name of its picture without the ending.
        root: the data folder; `DataError` for a picture that is a link to outside of it.
    """
    paths = pd.Series([files.get(name, "") for name in names], index=items.index, dtype="str")
    kept = items[(paths != "").to_numpy()].copy()
    kept.insert(0, "image", paths[paths != ""])
    kept = kept.sort_index()
    table = Table(root, kept.set_axis(pd.RangeIndex(1, len(kept) + 1)))
    image_files.check_paths(table, root)
    kept["sha256"] = image_files.checksums(root, kept["image"])
    return kept
