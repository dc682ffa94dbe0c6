"""The likely cause of a cell that makes no sense: what spreadsheets and exports do to tables.

Nothing here changes a cell. Every function looks at one that was refused and gives the sentence
that says what probably happened and how to put it right, or None.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

import numpy as np
import pandas as pd
from jaxtyping import Float

YEARS = r"(16(7[89]|[89]\d)|1[7-9]\d\d|2[01]\d\d|22([0-5]\d|6[01]))-"
"""Starts of ISO dates of the years 1678 to 2261, which fit into 64 bits of nanoseconds."""
_NOT_SECONDS = (
    (20_000, 80_000, "a spreadsheet's day number"),
    (1900_01_01, 2100_12_31, "a date without dashes"),
    (1900, 2100, "a year"),
)
"""Ranges of numbers that are no Unix seconds where a whole column lies in them: as seconds they
would be a few hours of 1970."""
_MONTHS = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u2060\u00ad]")
_OTHER_NAMES = {
    "user_id": ("user", "uid", "customer", "customerid", "visitor", "visitorid", "member", "rater"),
    "item_id": ("item", "iid", "product", "productid", "article", "movieid", "imageid", "id"),
    "rating": ("score", "stars", "value", "vote", "grade", "preference", "like", "liked"),
    "image": ("img", "path", "file", "filename", "imagepath", "filepath", "picture", "url"),
}  # fmt: skip
"""Names, without blanks and marks, that columns have elsewhere."""


def column_meant(name: str, present: Sequence[str]) -> str | None:
    """The column that is ``name`` but for case, blanks and marks (``Item ID`` for ``item_id``)."""
    return next((other for other in present if _plain(other) == _plain(name)), None)


def absent_column(name: str, present: Sequence[str]) -> str | None:
    """What to do about a column that no other name stands for by its spelling."""
    other = next((p for p in present if _plain(p) in _OTHER_NAMES.get(name, ())), None)
    if other is not None:
        return f"Is {other!r} meant? Rename it to {name}."
    if any(re.fullmatch(r"-?\d+([.,]\d+)?", p) or p == "" for p in present):
        return f"Row 1 must name the columns, such as {name}: is there no header?"
    return None


def not_a_number(cell: str) -> str | None:
    """What is wrong with a cell that should be a number."""
    if re.fullmatch(r"[-+]?\d+,\d+", cell):
        return "Write decimals with a point, not a comma."
    if re.fullmatch(r"[-+]?\d+(\.\d+)?\s*%", cell):
        return "Write the number without the percent sign."
    if cell.casefold() in ("true", "false", "yes", "no", "like", "dislike"):
        return "Write 1 and 0."
    if _is_date(cell):
        return "A spreadsheet made a date of it: format the column as text and enter it again."
    if re.match(r"[-+]?\d", cell):
        return "Write the number alone, without a unit or a scale."
    return None


def not_a_time(cell: str) -> str | None:
    """What is wrong with a cell that should be Unix seconds or an ISO date."""
    digits = re.fullmatch(r"\d{13,19}(\.0)?", cell)
    if digits:
        unit = {13: "milli", 16: "micro", 19: "nano"}.get(len(cell.partition(".")[0]), "milli")
        return f"It looks like {unit}seconds: divide by {_PER_SECOND[unit]}."
    if re.fullmatch(r"\d+-\d\d-\d\d.*", cell) and not re.match(r"\d{1,3}-", cell):
        return "Such a date does not exist, or lies outside of the years 1678 to 2261."
    if _is_date(cell):
        return "Write the year first, then month and day: 2024-05-31."
    return None


_PER_SECOND = {"milli": "1,000", "micro": "1,000,000", "nano": "1,000,000,000"}


def not_seconds(values: Float[np.ndarray, " n"]) -> str | None:
    """What a column of numbers is instead of Unix seconds; None where it may be those."""
    for low, high, what in _NOT_SECONDS:
        if len(values) and bool(((values >= low) & (values <= high)).all()):
            return f"It looks like {what}: write 2024-05-31T12:00:00Z, or the Unix seconds."
    return None


def unknown_item(item: str, asked: Iterable[str], known: Iterable[str]) -> str | None:
    """Why ``item`` of the ids that are ``asked`` for is not one of the ``known`` ids."""
    known = list(known)
    for alike, cause in _SAME_BUT:
        theirs = {alike(other): other for other in known}
        other = theirs.get(alike(item))
        if other is not None:
            return f"{cause}: the catalogue has {other[:80]!r}."
    return _shifted(set(asked), set(known))


def _shifted(asked: set[str], known: set[str]) -> str | None:
    if not all(i.isdecimal() and len(i) < 16 for i in (*asked, *known)):
        return None
    wanted, there = ({int(i) for i in ids} for ids in (asked, known))
    for step, here, items in ((1, 1, 0), (-1, 0, 1)):
        if min(wanted) >= here and min(there) == items and {i - step for i in wanted} <= there:
            return f"The log seems to count items from {here}, the catalogue from {items}."
    return None


def swapped(users: pd.Series, items: pd.Series, known: pd.Index) -> bool:
    """Whether user and item ids stand in each other's column."""
    return bool(users.isin(known).all()) and not items.isin(known).any()


def missing_file(root: Path, name: str) -> str | None:
    """Why there is no file ``root/name``; ``name`` may be any text."""
    if re.match(r"\w+://", name):
        return "Web addresses are not opened: download the images into the data folder."
    slashes = name.replace("\\", "/")
    if slashes != name and not PureWindowsPath(name).is_absolute():
        return "Write paths with / and not \\." if is_file(root, slashes) else None
    for path, cause in _guesses(root, name):
        if is_file(root, path):
            return f"{cause}: {path[:200]!r} is there."
    return None


def _guesses(root: Path, name: str) -> Iterable[tuple[str, str]]:
    """Other paths that may be meant, and what went wrong if one of them is there."""
    yield name.strip("\"'"), "Leave out the quotes"
    yield unquote(name), "Write the name as it is, without %-codes"
    if name.startswith(f"{root.name}/"):
        yield name.removeprefix(f"{root.name}/"), "Paths count from the data folder"
    for folder in ("images", "img", "imgs", "pictures", "photos"):
        yield f"{folder}/{name}", "Paths count from the data folder"
    nearby = (root / name).parent
    try:
        names = sorted(entry.name for entry in nearby.iterdir()) if nearby.is_dir() else []
    except OSError:
        names = []
    prefix = name[: len(name) - len(Path(name).name)]
    own = _alike(Path(name).name)
    for other in names:
        if _alike(other) == own:
            yield prefix + other, "The name is spelt otherwise"
    for other in names:
        if _alike(Path(other).stem) in (own, _alike(Path(name).stem)):
            yield prefix + other, "The ending is another"


def is_file(root: Path, name: str) -> bool:
    """Whether ``root/name`` is a file; False for text that cannot be a path."""
    try:
        return bool(name) and (root / name).is_file()
    except (OSError, ValueError):
        return False


def _alike(text: str) -> str:
    """Text without what people do not see: case, form of accents, kinds of blanks."""
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return " ".join(text.split()).casefold()


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", _alike(name))


def _no_zeros(text: str) -> str:
    return text.lstrip("0") or "0"


def _no_fraction(text: str) -> str:
    return _no_zeros(re.sub(r"\.0+$", "", text))


def _whole(text: str) -> str:
    """A whole number written in any way, ``1.2E+05`` for instance; other text as it is."""
    plain = re.sub(r"(?<=\d)[,' ](?=\d{3}\b)", "", text)
    if len(plain) > 40 or not re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d{1,2})?", plain):
        return text
    number = float(plain)
    return str(int(number)) if number.is_integer() else text


def _no_ending(text: str) -> str:
    return _alike(re.split(r"[/\\]", text)[-1].rsplit(".", 1)[0])


def _is_date(cell: str) -> bool:
    numbers = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(\D.*)?"
    month = rf"({_MONTHS})[^\W\d]*\.?"
    words = rf"\d{{1,2}}[-. ]+{month}([-. ]+\d{{2,4}})?|{month}[-. ]+\d{{1,4}}"
    return bool(re.fullmatch(f"{numbers}|{words}", cell.casefold()))


_SAME_BUT: tuple[tuple[Callable[[str], str], str], ...] = (
    (_no_zeros, "Leading zeros differ (spreadsheets drop them; save ids as text)"),
    (_no_fraction, "A whole number became a decimal one (12 to 12.0; save ids as text)"),
    (_whole, "A number was written otherwise (spreadsheets do so; save ids as text)"),
    (_alike, "Case, blanks or accents differ"),
    (lambda text: text.strip("\"'"), "Quotes became part of the id"),
    (_no_ending, "One of them has a folder or an ending (.png) and the other has not"),
)
"""What may be between two ids that mean the same, and how to say so."""
