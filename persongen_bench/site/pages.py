"""The page around the documents: its template, and the scripts and styles that it loads."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from persongen_bench.site.documents import Index

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser lets the page do: load scripts, styles and pictures that lie beside it."""
INDEX = "data/index.js"
_FIRST = "assets/app/0-store.js"
"""Defines ``PGBENCH``; the index comes next, so that it is known when the rest begins."""


def copy_assets(root: Path) -> list[str]:
    """Write the scripts and styles that ship below ``root``; their addresses, sorted."""
    own = _shipped()
    for address, file in own.items():
        path = root / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.read_bytes())
    return list(own)


def shipped() -> list[str]:
    """Addresses of the scripts, styles and licences that ship, sorted."""
    return list(_shipped())


def _shipped() -> dict[str, Traversable]:
    return dict(sorted(_files(resources.files("persongen_bench.site"), "assets")))


def loads(assets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Styles and scripts that the page loads, in order; vendored ones come first."""
    ordered = sorted(assets, key=lambda one: (not one.startswith("assets/vendor/"), one))
    scripts = [one for one in ordered if one.endswith(".js")]
    at = scripts.index(_FIRST) + 1 if _FIRST in scripts else len(scripts)
    styles = [one for one in ordered if one.endswith(".css")]
    return styles, [*scripts[:at], INDEX, *scripts[at:]]


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    place = folder / name
    if not place.is_dir():
        return
    for entry in place.iterdir():
        if entry.is_dir():
            yield from ((f"{name}/{rest}", file) for rest, file in _files(place, entry.name))
        elif not entry.name.startswith("."):
            yield f"{name}/{entry.name}", entry


def page(index: Index, assets: Sequence[str], downloads: Mapping[str, Mapping[str, str]]) -> str:
    """The one page.

    Args:
        index: what there is.
        assets: addresses of scripts and styles.
        downloads: slug of a board => kind => address.
    """
    styles, scripts = loads(assets)
    return str(
        _template().render(
            policy=POLICY,
            index=index,
            styles=styles,
            scripts=scripts,
            downloads=downloads,
        )
    )


@functools.cache
def _template() -> Any:  # noqa: ANN401  # jinja2 is imported here only
    import jinja2

    text = (resources.files("persongen_bench.site") / "templates" / "index.html.j2").read_text(
        encoding="utf-8"
    )
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(text)
