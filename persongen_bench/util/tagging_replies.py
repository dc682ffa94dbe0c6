"""Answers to `tagging_requests`, read strictly; one repair, and it is counted how often.

A reply is read where it is the JSON object asked for. Else it is repaired, by as little as will do:
what stands around the object (code fences, words) is left out, then commas before a closing
bracket too, then single quotes become double ones. What is still another thing is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from persongen_bench.core.types import Description
from persongen_bench.util.judging.replies import ReplyError, parsed
from persongen_bench.util.tagging_requests import CAPTION, LISTS, MOST

READ, REPAIRED, REFUSED = "read", "repaired", "refused"
LONGEST = 60
"""Characters of an item; longer ones are sentences and are left out."""
_FIELDS = (CAPTION, *LISTS)
_LAST_COMMA = re.compile(r",(?=\s*[\]}])")
_QUOTE = re.compile(r"([\[{,:]\s*)'|'(?=\s*[\]},:])")
"""A single quote that begins or ends a text; an apostrophe inside one is none."""


def read_tags(text: str) -> Description:
    """The description in a reply that is what was asked for.

    Items are in lower case with plain blanks, each once in its list. Of more than `MOST` the first
    of every list come first, then the second ones and so on. The tags are all lists, in order.

    Raises:
        ReplyError: for anything but a JSON object with a caption and the four lists of texts, of
            which one at least has an item.
    """
    said = parsed(text)
    if not isinstance(said, dict):
        raise ReplyError("not an object", "found a list")
    _require_fields(said)
    lists = _at_most({name: _items(name, said[name]) for name in LISTS}, MOST)
    if not any(lists.values()):
        raise ReplyError("no items", "all lists are empty")
    objects, attributes, styles, colours = (lists[name] for name in LISTS)
    tags = tuple(dict.fromkeys((*objects, *attributes, *styles, *colours)))
    return Description(_caption(said[CAPTION]), tags, objects, attributes, styles, colours)


def repairs(text: str) -> tuple[str, ...]:
    """A reply repaired by little, by more, and by all that is known; as it is without an object."""
    first, last = text.find("{"), text.rfind("}")
    inside = text[first : last + 1] if 0 <= first < last else text
    ended = _LAST_COMMA.sub("", inside)
    return inside, ended, _QUOTE.sub(r'\1"', ended)


class TaggingReader:
    """Reads replies and counts what became of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter({READ: 0, REPAIRED: 0, REFUSED: 0})
        """How many replies were read as they are, repaired, or refused."""
        self.kinds: Counter[str] = Counter()
        """What was wrong with those refused, after every repair."""

    def read(self, text: str) -> Description | None:
        """What a reply says; None where it is refused."""
        wrong = "empty"
        for place, candidate in enumerate((text, *repairs(text))):
            try:
                said = read_tags(candidate)
            except ReplyError as error:
                wrong = error.kind
            else:
                self.counts[REPAIRED if place else READ] += 1
                return said
        self.kinds[wrong] += 1
        self.counts[REFUSED] += 1
        return None


def _require_fields(said: Mapping[str, Any]) -> None:
    for name in _FIELDS:
        if name not in said:
            raise ReplyError("field missing", name)
    unknown = sorted(set(said) - set(_FIELDS))
    if unknown:
        raise ReplyError("unknown field", repr(unknown[0])[:80])


def _caption(value: object) -> str:
    if not isinstance(value, str):
        raise ReplyError("caption no text", f"found {type(value).__name__}")
    words = _plain(value)
    if not words:
        raise ReplyError("caption empty", "a text is needed")
    return words


def _items(name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ReplyError("not a list of texts", name)
    items = (_plain(value) for value in values)
    return tuple(dict.fromkeys(item for item in items if 0 < len(item) <= LONGEST))


def _at_most(lists: Mapping[str, Iterable[str]], n: int) -> dict[str, tuple[str, ...]]:
    """``n`` items in all, by turns."""
    turns = ((place, name) for name, items in lists.items() for place, _ in enumerate(items))
    order = {name: number for number, name in enumerate(lists)}
    kept = Counter(name for _, name in sorted(turns, key=lambda t: (t[0], order[t[1]]))[:n])
    return {name: tuple(items)[: kept[name]] for name, items in lists.items()}


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
