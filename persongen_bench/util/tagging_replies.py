"""Answers to `tagging_requests`, read strictly; one repair, and it is counted how often.

What a repair may change is said in `repaired_replies`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from persongen_bench.core.types import Description
from persongen_bench.util.judging.replies import ReplyError
from persongen_bench.util.repaired_replies import (
    READ,
    REFUSED,
    REPAIRED,
    items_of,
    object_of,
    reading,
    text_of,
)
from persongen_bench.util.tagging_requests import CAPTION, LISTS, MOST

LONGEST = 60
"""Characters of an item; longer ones are sentences and are left out."""


def read_tags(text: str) -> Description:
    """The description in a reply that is what was asked for.

    Items are in lower case with plain blanks, each once in its list. Of more than `MOST` the first
    of every list come first, then the second ones and so on. The tags are all lists, in order.

    Raises:
        ReplyError: for anything but a JSON object with a caption and the four lists of texts, of
            which one at least has an item.
    """
    said = object_of(text, (CAPTION, *LISTS))
    lists = _at_most({name: items_of(name, said[name], LONGEST) for name in LISTS}, MOST)
    caption = text_of(CAPTION, said[CAPTION]).lower()
    if not any(lists.values()):
        raise ReplyError("no items", "all lists are empty")
    objects, attributes, styles, colours = (lists[name] for name in LISTS)
    tags = tuple(dict.fromkeys((*objects, *attributes, *styles, *colours)))
    return Description(caption, tags, objects, attributes, styles, colours)


class TaggingReader:
    """Reads replies and counts what became of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter({READ: 0, REPAIRED: 0, REFUSED: 0})
        """How many replies were read as they are, repaired, or refused."""
        self.kinds: Counter[str] = Counter()
        """What was wrong with those refused, after every repair."""

    def read(self, text: str) -> Description | None:
        """What a reply says; None where it is refused."""
        made = reading(text, read_tags)
        self.counts[made.how] += 1
        if made.value is None:
            self.kinds[made.kind] += 1
        return made.value


def _at_most(lists: Mapping[str, Iterable[str]], n: int) -> dict[str, tuple[str, ...]]:
    """``n`` items in all, by turns."""
    turns = ((place, name) for name, items in lists.items() for place, _ in enumerate(items))
    order = {name: number for number, name in enumerate(lists)}
    kept = Counter(name for _, name in sorted(turns, key=lambda t: (t[0], order[t[1]]))[:n])
    return {name: tuple(items)[: kept[name]] for name, items in lists.items()}
