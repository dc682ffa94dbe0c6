"""Image files under a data root: opening, checking paths, checksums, opening all to verify."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
from jaxtyping import Bool

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.regular_files import open_regular
from persongen_bench.core.types import Catalog, Image
from persongen_bench.datasets.tables import Table

_INSIDE = "Use paths relative to the data folder that stay inside it."


@dataclass(frozen=True)
class ImageFiles:
    """Opens the ``image`` column of an item table: paths relative to ``root``."""

    root: Path

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows``; a missing, damaged or oversized file raises `DataError`."""
        return [images.read(self.root / name, self.root) for name in rows["image"]]

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of each image, from the headers of the files; errors as `open`."""
        return [3 * images.n_pixels(self.root / name, self.root) for name in rows["image"]]


def check_paths(table: Table, root: Path, column: str = "image") -> None:
    """Raise `DataError` for the first row whose file is outside ``root`` or not there."""
    names = table.frame[column]
    table.reject((names == "").to_numpy(), f"empty {column}", "Name an image file.")
    check_inside(table, root, column)
    sizes = np.array([_size(root / name) for name in names])
    message = f"{column} {{{column}}}: no such file, or not a regular one"
    table.reject(sizes < 0, message, "Add it or remove the row.")
    message = f"{column} {{{column}}} has more than {images.MAX_BYTES:,} bytes"
    table.reject(sizes > images.MAX_BYTES, message, "Scale the image down.")
    real_root = os.path.realpath(root) + os.sep
    outside = _mask(names, lambda name: not os.path.realpath(root / name).startswith(real_root))
    table.reject(outside, f"{column} {{{column}}} is a link to outside {root}", _INSIDE)


def _size(path: Path) -> int:
    """Bytes of a regular file, -1 where there is none."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return -1
    return about.st_size if stat.S_ISREG(about.st_mode) else -1


def check_inside(table: Table, root: Path, column: str = "image") -> None:
    """Raise `DataError` for the first path that leads out of ``root`` by its own words."""
    what = f"{column} {{{column}}} is not a path inside {root}"
    table.reject(_mask(table.frame[column], _leaves), what, _INSIDE)


def checksums(root: Path, names: Iterable[str]) -> list[str]:
    """sha256 (16 digits) of the bytes of each file."""
    return [_sha256(root / name) for name in names]


def _sha256(path: Path) -> str:
    with open_regular(path, "image") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def verify(catalog: Catalog, progress: Progress = no_progress) -> None:
    """Open every image of the catalogue once.

    Raises `DataError` with the first damaged file and how many there are in all.
    """
    problems: list[str] = []
    for item in progress(catalog.ids, "verifying images", len(catalog)):
        try:
            catalog.images([item])
        except DataError as error:
            problems.append(f"item {item!r}: {error}")
    if problems:
        more = f" ({len(problems)} damaged images in all)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)


def _leaves(name: str) -> bool:
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    parts = {*path.parts, *windows.parts}
    return path.is_absolute() or bool(windows.anchor) or ".." in parts or "\0" in name


def _mask(names: pd.Series, test: Callable[[str], bool]) -> Bool[np.ndarray, " n"]:
    return np.fromiter((test(name) for name in names), dtype=bool, count=len(names))
