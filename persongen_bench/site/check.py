"""Does a site hold together: every address in it leads to a file of it, and none out of it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.site.check_files import (
    PAGE,
    lacking,
    of_assets,
    of_drawings,
    of_pages,
    of_styles,
)
from persongen_bench.site.documents import (
    BoardLink,
    BoardPage,
    Index,
    People,
    Pictures,
    Values,
)
from persongen_bench.site.script import read_script

T = TypeVar("T", bound=Config)

INDEX = "index"


def check(root: Path) -> list[str]:
    """What is wrong with a site, a line each; none: every address leads to a file.

    Raises `ConfigError` for a folder without a page.
    """
    if not (root / PAGE).is_file():
        raise ConfigError(
            f"{root}: no site is here", fix="Make one: `pgbench site RUNS --out DIR`."
        )
    files = (of_pages, of_assets, of_styles, of_drawings, _of_documents)
    found = [line for part in files for line in part(root)]
    return list(dict.fromkeys(found))


def _of_documents(root: Path) -> Iterator[str]:
    """Dead links of the documents, from the index downwards."""
    try:
        index = _read(root, "data/index.js", INDEX, Index)
        boards = {board.slug: board for board in index.boards}
        for slug in boards:
            yield from _of_board(root, slug, boards)
    except _DamagedError as error:
        yield str(error)


class _DamagedError(Exception):
    """A document that is missing or is not what it should be."""


def _of_board(root: Path, slug: str, boards: Mapping[str, BoardLink]) -> Iterator[str]:
    folder = f"data/{slug}"
    documents: list[tuple[str, str, type[Config]]] = [
        (f"{folder}/board.js", f"board/{slug}", BoardPage),
        (f"{folder}/people.js", f"people/{slug}", People),
    ]
    try:
        page = _read(root, *documents[0][:2], BoardPage)
    except _DamagedError as error:
        yield str(error)
        return
    yield from (f"{documents[0][0]}: {why}" for why in _of_page(page, slug, boards))
    documents += [
        (f"{folder}/values-{k}.js", f"values/{slug}/{k}", Values)
        for k, column in enumerate(page.columns)
        if column.by_user
    ]
    documents += [
        (f"{folder}/pictures-{row.row}.js", f"pictures/{slug}/{row.row}", Pictures)
        for row in page.rows
    ]
    for place, key, model in documents:
        try:
            document = _read(root, place, key, model)
        except _DamagedError as error:
            yield str(error)
            continue
        if why := _uneven(document, page):
            yield f"{place}: {why}"
        for address in _addresses(document):
            if why := _outside(root, address):
                yield f"{place}: {plain(address, LABEL)} {why}"


def _of_page(page: BoardPage, slug: str, boards: Mapping[str, BoardLink]) -> Iterator[str]:
    """Where a board is at odds with the index and with itself."""
    said = [page.standings.get(block) for block in ("methods", "anchors")]
    n_rows = sum(len(rows) for rows in said if isinstance(rows, list))
    if not n_rows == len(page.rows) == boards[slug].n_rows:
        yield "has not as many rows as the index or its standings say"
    for release in page.history:
        if (other := str(release.get("slug"))) not in boards:
            yield f"its release {plain(other, LABEL)} is not in the index"


def _uneven(document: Config, page: BoardPage) -> str:
    """How a document lacks or has more than its board says; empty: it does not."""
    if isinstance(document, Values):
        wanted = [len(document.users)] * len(page.rows)
        return "" if [*map(len, document.values)] == wanted else "not a value for each row and unit"
    if isinstance(document, Pictures):
        n = sum(map(len, document.users.values()))
        said = {row.n_pictures for row in page.rows if row.row == document.row}
        return "" if said == {n} else f"has {n} pictures, which its board does not say"
    return ""


def _read(root: Path, place: str, key: str, model: type[T]) -> T:
    try:
        own, content = read_script((root / place).read_bytes())
        document = model.model_validate(content)
    except OSError:
        raise _DamagedError(f"{place}: is not there") from None
    except (ValueError, ValidationError, RecursionError):
        raise _DamagedError(f"{place}: not a document of a site, or of another version") from None
    if own != key:
        raise _DamagedError(f"{place}: says that it is {plain(own, LABEL)}")
    return document


def _addresses(document: Any) -> Iterator[str]:  # noqa: ANN401  # any document
    """Addresses below the root in a document."""
    if isinstance(document, BoardPage):
        yield from (*document.downloads.values(), *document.figures.values())
    if isinstance(document, People):
        for person in document.people:
            yield from (one for one in (*person.history, *person.references) if one)
    if isinstance(document, Pictures):
        for picture in (one for own in document.users.values() for one in own):
            yield picture.thumb
            yield from (one for one in (picture.training, picture.held_out) if one)


def _outside(root: Path, address: str) -> str:
    """Why an address below the root leads to nothing; empty: it leads to something."""
    parts = PurePosixPath(address).parts
    below = ".." not in parts and not address.startswith("/")
    return lacking(root / address) if below else "is not there"
