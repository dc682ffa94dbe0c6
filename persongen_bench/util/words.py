"""The words of a text."""

from __future__ import annotations

import re

IDLE = frozenset("a an and at by for in of on or the to with".split())  # noqa: SIM905  # shorter


def content_words(text: str) -> tuple[str, ...]:
    """The words of a text but for articles and the like, each once."""
    words = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text.lower())
    return tuple(dict.fromkeys(word for word in words if word not in IDLE))
