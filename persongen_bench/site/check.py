"""Does a site hold together: every address in it leads to a file of it, and none out of it?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.site.documents import BoardPage, Index, People, Pictures, Values
from persongen_bench.site.script import read_script

T = TypeVar("T", bound=Config)

PAGE, INDEX = "index.html", "index"
_LOADED = {"src", "srcset", "poster", "data", "action", "formaction", "background", "manifest"}
"""Attributes whose address a browser opens by itself; ``href`` likewise, but for ``a``."""
_URL = re.compile(r"""url\(\s*(['"]?)(.*?)\1\s*\)|@import\s+(['"])(.*?)\3""")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|\\|/")
"""Begins an address that is not below the page."""


class _Addresses(HTMLParser):
    """Addresses of a page: those that are loaded, and those that a visitor may follow."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses in an element."""
        names = {name: value or "" for name, value in attrs}
        self.loaded += [value for name, value in names.items() if name in _LOADED]
        if "href" in names:
            (self.followed if tag == "a" else self.loaded).append(names["href"])


def check(root: Path) -> list[str]:
    """What is wrong with a site, a line each; none: every address leads to a file.

    Raises `ConfigError` for a folder without a page.
    """
    if not (root / PAGE).is_file():
        raise ConfigError(
            f"{root}: no site is here", fix="Make one: `pgbench site RUNS --out DIR`."
        )
    found = [*_of_pages(root), *_of_styles(root), *_of_documents(root)]
    return list(dict.fromkeys(found))


def _of_pages(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.html")):
        parser = _Addresses()
        parser.feed(path.read_text(encoding="utf-8", errors="replace"))
        for address in parser.loaded:
            yield from _trouble(root, path, address)
        for address in parser.followed:
            if not re.match(r"https?://|mailto:", address):
                yield from _trouble(root, path, address)


def _of_styles(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.css")):
        text = _COMMENT.sub("", path.read_text(encoding="utf-8", errors="replace"))
        for found in _URL.finditer(text):
            yield from _trouble(root, path, found[2] or found[4] or "")


def _trouble(root: Path, path: Path, address: str) -> Iterator[str]:
    """What is wrong with an address in a file: it leaves the folder, or leads to nothing."""
    place, shown = path.relative_to(root), plain(address, LABEL)
    if address.startswith(("data:", "#")) or not address:
        return
    if _SCHEME.match(address):
        yield f"{place}: {shown} is not below the site"
        return
    target = path.parent / re.split(r"[?#]", address)[0]
    if not target.resolve().is_relative_to(root.resolve()):
        yield f"{place}: {shown} is not below the site"
    elif not target.is_file():
        yield f"{place}: {shown} is not there"


def _of_documents(root: Path) -> Iterator[str]:
    """Dead links of the documents, from the index downwards."""
    try:
        index = _read(root, "data/index.js", INDEX, Index)
        for board in index.boards:
            yield from _of_board(root, board.slug)
    except _DamagedError as error:
        yield str(error)


class _DamagedError(Exception):
    """A document that is missing or is not what it should be."""


def _of_board(root: Path, slug: str) -> Iterator[str]:
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
            addresses = _addresses(_read(root, place, key, model))
        except _DamagedError as error:
            yield str(error)
            continue
        for address in addresses:
            if not _inside(root, address):
                yield f"{place}: {plain(address, LABEL)} is not there"


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


def _inside(root: Path, address: str) -> bool:
    parts = PurePosixPath(address).parts
    return ".." not in parts and not address.startswith("/") and (root / address).is_file()
