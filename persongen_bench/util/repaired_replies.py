"""Replies that are to be one JSON object: read, read after a repair, or refused.

A repair changes as little as will do: what stands around the object (code fences, words) is left
out, then commas before a closing bracket too, then single quotes become double ones. What is still
another thing is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from persongen_bench.util.judging.replies import ReplyError, parsed

READ, REPAIRED, REFUSED = "read", "repaired", "refused"
_LAST_COMMA = re.compile(r",(?=\s*[\]}])")
_QUOTE = re.compile(r"([\[{,:]\s*)'|'(?=\s*[\]},:])")
"""A single quote that begins or ends a text; an apostrophe inside one is none."""
T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What became of a reply."""

    value: T | None
    """What it says; None: refused."""
    how: str
    """`READ`, `REPAIRED` or `REFUSED`."""
    kind: str = ""
    """What is wrong with a refused one, after every repair."""


def repairs(text: str) -> tuple[str, ...]:
    """A reply repaired by little, by more, and by all that is known; as it is without an object."""
    first, last = text.find("{"), text.rfind("}")
    inside = text[first : last + 1] if 0 <= first < last else text
    ended = _LAST_COMMA.sub("", inside)
    return inside, ended, _QUOTE.sub(r'\1"', ended)


def reading(text: str, read: Callable[[str], T]) -> Reading[T]:
    """A reply by ``read``, which raises `ReplyError` for what it refuses, repaired if need be."""
    kind = "empty"
    for place, candidate in enumerate((text, *repairs(text))):
        try:
            value = read(candidate)
        except ReplyError as error:
            kind = error.kind
        else:
            return Reading(value, REPAIRED if place else READ)
    return Reading(None, REFUSED, kind)


def object_of(text: str, fields: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object with these fields and no others; raises `ReplyError` for anything else."""
    said = parsed(text)
    if not isinstance(said, dict):
        raise ReplyError("not an object", "found a list")
    for name in fields:
        if name not in said:
            raise ReplyError("field missing", name)
    unknown = sorted(set(said) - set(fields))
    if unknown:
        raise ReplyError("unknown field", repr(unknown[0])[:80])
    return said


def text_of(name: str, value: object) -> str:
    """A text with plain blanks that is not empty; raises `ReplyError` for anything else."""
    if not isinstance(value, str):
        raise ReplyError(f"{name} no text", f"found {type(value).__name__}")
    words = " ".join(value.split())
    if not words:
        raise ReplyError(f"{name} empty", "a text is needed")
    return words


def items_of(name: str, values: object, longest: int) -> tuple[str, ...]:
    """The texts of a list: lower case, plain blanks, each once, none empty or too long.

    Raises `ReplyError` for anything but a list of texts.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ReplyError("not a list of texts", name)
    items = (" ".join(value.lower().split()) for value in values)
    return tuple(dict.fromkeys(item for item in items if 0 < len(item) <= longest))
