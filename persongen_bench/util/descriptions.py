"""Descriptions of pictures as JSON values, the same wherever they are kept.

``[caption, tags]``, and behind them the four lists by name where there are any: what was kept
before there were lists is read as it is, and what has none is written as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persongen_bench.core.types import Description

LISTS = ("objects", "attributes", "styles", "colours")
"""Fields of `Description` that sort its tags."""


def stored(said: Description) -> list[object]:
    """JSON values that `described` reads."""
    values: list[object] = [said.caption, list(said.tags)]
    lists = {name: list(getattr(said, name)) for name in LISTS}
    return [*values, lists] if said.structured else values


def described(values: Sequence[object]) -> Description:
    """What `stored` wrote; `TypeError` where the tags or a list are no list."""
    caption, tags, *more = values
    lists = more[0] if more else {}
    if not isinstance(lists, Mapping):
        raise TypeError(f"expected lists by name, found {type(lists).__name__}")
    return Description(
        str(caption), _texts(tags), **{name: _texts(lists[name]) for name in LISTS if lists}
    )


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"expected a list of tags, found {type(values).__name__}")
    return tuple(map(str, values))
