"""The text files of POG, line by line: they have no header, and are read in streams for their size.

``user_data.txt``: ``user,item;item;...,outfit``, what somebody clicked before they clicked an
outfit. ``outfit_data.txt``: ``outfit,item;item;...``. ``item_data.txt``:
``item,category,url,title``, where the title may hold commas. A malformed line is reported with its
file and row, what it holds, what was expected and how to put it right.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import open_regular
from persongen_bench.core.types import content_hash

USERS, OUTFITS, ITEMS = "user_data.txt", "outfit_data.txt", "item_data.txt"
LONGEST_ID, LONGEST_LINE = 500, 1_000_000
"""Characters of an id, and of a line."""
_FIX = "Take the published file."
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")


@dataclass(frozen=True)
class Clicks:
    """One line of the users' file."""

    user: str
    items: tuple[str, ...]
    """In the order of the file."""
    outfit: str


@dataclass(frozen=True)
class Item:
    """One line of the items' file."""

    category: str
    url: str
    """With a scheme: ``http:`` where the file leaves it out."""
    title: str


def read_clicks(path: Path) -> Iterator[Clicks]:
    """Every line of the users' file; `DataError` for a malformed one."""
    for where, cells in _rows(path, 3, "user,item;item;...,outfit"):
        user, items, outfit = cells
        yield Clicks(_id(where, "user", user), _list(where, items), _id(where, "outfit", outfit))


def read_outfits(path: Path, wanted: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The items of the outfits that are wanted, of those there are."""
    outfits: dict[str, tuple[str, ...]] = {}
    for where, (name, cell) in _rows(path, 2, "outfit,item;item;..."):
        outfit, items = _id(where, "outfit", name), _list(where, cell)
        if outfit in wanted and outfits.setdefault(outfit, items) != items:
            raise _twice(where, "outfit", outfit)
    return outfits


def read_items(path: Path, wanted: Collection[str]) -> dict[str, Item]:
    """The items that are wanted, of those there are."""
    items: dict[str, Item] = {}
    for where, (name, category, url, title) in _rows(path, 4, "item,category,url,title"):
        item_id, row = _id(where, "item", name), Item(category, _with_scheme(where, url), title)
        if item_id in wanted and items.setdefault(item_id, row) != row:
            raise _twice(where, "item", item_id)
    return items


def draw_users(path: Path, n_users: int, least: int, seed: int) -> set[str]:
    """``n_users`` of those who clicked at least ``least`` different items on one line.

    Those with the lowest hash of seed and id, so that neither the order of the file nor a machine
    matters, and more users add to fewer. 0: all of them.
    """
    able: set[str] = set()
    lowest: list[tuple[int, str]] = []
    for clicks in read_clicks(path):
        if clicks.user in able or len(set(clicks.items)) < least:
            continue
        able.add(clicks.user)
        heapq.heappush(lowest, (-int(content_hash(seed, clicks.user), 16), clicks.user))
        if n_users and len(lowest) > n_users:
            able.remove(heapq.heappop(lowest)[1])
    return able


def _rows(path: Path, n_cells: int, layout: str) -> Iterator[tuple[str, list[str]]]:
    """Where a line stands and its cells, stripped; blank lines are passed over."""
    n_rows = 0
    with open_regular(path, "text") as stream:
        lines = iter(partial(stream.readline, LONGEST_LINE + 1), b"")
        for number, raw in enumerate(lines, start=1):
            where = f"{path} row {number}"
            text = _text(where, raw, first=number == 1)
            if not text:
                continue
            n_rows += 1
            cells = [cell.strip() for cell in text.split(",", n_cells - 1)]
            if len(cells) != n_cells or (n_cells < 4 and "," in cells[-1]):
                raise DataError(
                    f"{where}: {text.count(',') + 1} cells in {_shown(text)}, expected {layout}",
                    fix=_FIX,
                )
            if number == 1 and cells[0].casefold().endswith("_id"):
                raise DataError(
                    f"{where}: a header, {_shown(text)}, expected {layout}", fix="Remove it."
                )
            yield where, cells
    if not n_rows:
        raise DataError(f"{path}: the file is empty, expected lines of {layout}", fix=_FIX)


def _text(where: str, raw: bytes, *, first: bool) -> str:
    if first and raw.startswith(_PACKED):
        raise DataError(f"{where}: is a packed file, expected text", fix="Unpack it.")
    if len(raw) > LONGEST_LINE:
        raise DataError(
            f"{where}: a line of more than {LONGEST_LINE:,} bytes, expected text lines", fix=_FIX
        )
    try:
        text = raw.decode("utf-8-sig" if first else "utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: byte 0x{raw[error.start]:02x} is not UTF-8, expected text in UTF-8",
            fix="Save the file as UTF-8.",
        ) from None
    if "\0" in text:
        raise DataError(f"{where}: holds a NUL, expected text in UTF-8", fix=_FIX)
    return text


def _id(where: str, what: str, cell: str) -> str:
    if not 0 < len(cell) <= LONGEST_ID or "/" in cell or "\\" in cell or cell in (".", ".."):
        raise DataError(f"{where}: {what} is {_shown(cell)}, expected a plain id", fix=_FIX)
    return cell


def _list(where: str, cell: str) -> tuple[str, ...]:
    items = [item.strip() for item in cell.removesuffix(";").split(";")]
    return tuple(_id(where, "item", item) for item in items)


def _with_scheme(where: str, url: str) -> str:
    if not url or " " in url:
        raise DataError(f"{where}: url is {_shown(url)}, expected an address", fix=_FIX)
    return f"http:{url}" if url.startswith("//") else url if "://" in url else f"http://{url}"


def _twice(where: str, what: str, name: str) -> DataError:
    return DataError(
        f"{where}: {what} {_shown(name)} is in another row too, which says otherwise; expected one "
        "row of each",
        fix="Keep one of the rows.",
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
