"""The files of a site that a browser reads: they load what a site loads, and run nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.parsers import expat

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.site.pages import POLICY, loads, shipped

PAGE = "index.html"
_LOADED = {"src", "srcset", "poster", "data", "action", "formaction", "background", "manifest"}
"""Attributes whose address a browser opens by itself; ``href`` likewise, but for ``a``."""
_FRAMES = {"base", "iframe", "frame", "object", "embed", "applet", "portal"}
"""Elements that no page of a site has: they show or address something else."""
_DRAWN = {
    "svg", "metadata", "RDF", "Work", "type", "format", "creator", "Agent", "title", "date", "desc",
    "defs", "style", "g", "path", "use", "clipPath", "rect", "circle", "ellipse", "line", "polygon",
    "polyline", "text", "tspan", "image", "linearGradient", "radialGradient", "stop", "marker",
    "mask", "pattern", "symbol",
}  # fmt: skip
"""Elements of drawings; none of them runs anything."""
_PICTURE = "data:image/png;base64,"
_URL = re.compile(r"""url\(\s*(['"]?)(.*?)\1\s*\)|@import\s+(['"])(.*?)\3""")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//|\\|/")
"""Begins an address that is not below the page."""


class _Page(HTMLParser):
    """What a page loads and runs, and where a visitor may go from it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policies: list[str] = []
        """Those that come before everything that they are for."""
        self.odd: list[str] = []
        """What no page of a site has."""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element does."""
        names = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" in names:
            self.scripts.append(names["src"])
        elif tag == "link" and "stylesheet" in names.get("rel", "").lower().split():
            self.styles.append(names.get("href", ""))
        else:
            self.loaded += [value for name, value in names.items() if name in _LOADED]
            if "href" in names:
                (self.followed if tag == "a" else self.loaded).append(names["href"])
        self.odd += [f"an attribute {name}" for name in names if re.match("on|style$", name)]
        if (tag == "script" and "src" not in names) or tag == "style" or tag in _FRAMES:
            self.odd.append(f"<{tag}> of its own" if tag in ("script", "style") else f"<{tag}>")
        if "http-equiv" in names:
            self._order(names["http-equiv"], names.get("content", ""))

    def _order(self, name: str, content: str) -> None:
        """Of ``<meta http-equiv>``."""
        if name.strip().lower() != "content-security-policy":
            self.odd.append(f"<meta http-equiv={name}>")
        elif not (self.scripts or self.styles or self.loaded):
            self.policies.append(content)


def of_pages(root: Path) -> Iterator[str]:
    """What is wrong with the page, and that there is another."""
    styles, scripts = loads(shipped())
    for path in sorted(root.rglob("*.html")):
        page = _Page(path.read_text(encoding="utf-8", errors="replace"))
        place = path.relative_to(root)
        if str(place) != PAGE:
            yield f"{place}: no site has this page"
        if POLICY not in page.policies:
            yield f"{place}: does not begin with the policy of a site"
        yield from (f"{place}: has {plain(one, LABEL)}" for one in page.odd)
        yield from _exactly(root, path, page.scripts, scripts)
        yield from _exactly(root, path, page.styles, styles)
        for address in page.loaded:
            yield from trouble(root, path, address)
        for address in page.followed:
            if not re.match(r"https?://|mailto:", address):
                yield from trouble(root, path, address)


def _exactly(root: Path, path: Path, own: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    """That a page loads other scripts or styles than those of a site."""
    place = path.relative_to(root)
    for address in own:
        found = [*trouble(root, path, address)]
        if not found and address not in wanted:
            found = [f"{place}: no site loads {plain(address, LABEL)}"]
        yield from found
    yield from (f"{place}: does not load {one}" for one in wanted if one not in own)
    if sorted(own) == sorted(wanted) and own != wanted:
        yield f"{place}: loads its scripts or styles in another order"


def of_assets(root: Path) -> Iterator[str]:
    """Files among the scripts and styles that do not come with the package."""
    own = set(shipped())
    for path in sorted((root / "assets").rglob("*")):
        place = path.relative_to(root)
        if path.is_file() and place.as_posix() not in own:
            yield f"{place}: no site has this file"


def of_styles(root: Path) -> Iterator[str]:
    """Addresses in styles that lead nowhere or elsewhere."""
    for path in sorted(root.rglob("*.css")):
        text = path.read_text(encoding="utf-8", errors="replace")
        yield from _of_style(root, path, text)


def _of_style(root: Path, path: Path, text: str) -> Iterator[str]:
    for found in _URL.finditer(_COMMENT.sub("", text)):
        yield from trouble(root, path, found[2] or found[4] or "")


def of_drawings(root: Path) -> Iterator[str]:
    """What SVG pictures load or run."""
    for path in sorted(root.rglob("*.svg")):
        yield from _of_drawing(root, path)


def _of_drawing(root: Path, path: Path) -> Iterator[str]:
    place, found, styles = path.relative_to(root), list[str](), list[str]()

    def element(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] not in _DRAWN:
            found.append(f"{place}: has <{plain(name, LABEL)}>")
        for full, value in attributes.items():
            local = full.rpartition(":")[2].lower()
            if local.startswith("on"):
                found.append(f"{place}: has an attribute {plain(full, LABEL)}")
            if local in {"href", "src"} and not value.startswith(_PICTURE):
                found.extend(trouble(root, path, value, data=False))
            styles.append(value)

    def odd(*_: object) -> None:
        found.append(f"{place}: has an entity or an instruction")

    reader = expat.ParserCreate()
    reader.StartElementHandler = element
    reader.CharacterDataHandler = styles.append
    reader.EntityDeclHandler = reader.ProcessingInstructionHandler = odd
    try:
        reader.Parse(path.read_bytes(), True)
    except (expat.ExpatError, ValueError, LookupError):
        yield f"{place}: no SVG picture"
        return
    yield from found
    yield from _of_style(root, path, "".join(styles))


def trouble(root: Path, path: Path, address: str, *, data: bool = True) -> Iterator[str]:
    """What is wrong with an address in a file: it leaves the folder, or leads to nothing.

    Without ``data`` an address that holds its content leaves the folder too.
    """
    place, shown = path.relative_to(root), plain(address, LABEL)
    if (data and address.startswith("data:")) or address.startswith("#") or not address:
        return
    if _SCHEME.match(address):
        yield f"{place}: {shown} is not below the site"
        return
    target = path.parent / re.split(r"[?#]", address)[0]
    if not target.resolve().is_relative_to(root.resolve()):
        yield f"{place}: {shown} is not below the site"
    elif why := lacking(target):
        yield f"{place}: {shown} {why}"


def lacking(path: Path) -> str:
    """Why a file cannot be shown; empty: it can."""
    if not path.is_file():
        return "is not there"
    return "" if path.stat().st_size else "is empty"
