"""Text of others made fit to print: no control characters, nothing invisible, not too long.

A label, an id, a reason or a card may come from a plugin, a data set or a stranger's run. On a
terminal an escape sequence in it writes over other lines, a bidi control turns a number round, an
invisible character makes two names look like one. Everything that prints or writes such a text for
people takes it from here.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

LABEL = 200
"""Characters of a name or a caption; longer ones are cut in the middle."""
TEXT = 2000
"""Characters of a reason, a note or a description."""
STACKED = 4
"""Combining marks on one character; more of them cover the lines above and below."""
_SEQUENCE = re.compile(
    r"(?:\x1b\[[0-?]*|\x9b[0-?]+)[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]+[0-~]"
)
"""Escape sequences of terminals (ECMA-48): control sequences, strings with their end, others."""
_SEEN = re.compile(r"[\n\t -~]*")
_BLANK = re.compile(r"[\t\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_UNSEEN = frozenset(
    chr(code)
    for part in ((0x034F,), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x2800,), (0x3164,), (0xFFA0,),
                 range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for code in part
)  # fmt: skip
"""Characters that show nothing and are of no category of those: fillers, variation selectors."""


def plain(text: str, most: int = TEXT) -> str:
    """A text on one line, all of it visible, of at most about ``most`` characters.

    Escape sequences go, and with them control, format and private characters, variation selectors
    and half characters; line ends and blanks of every kind are one blank each.
    """
    if not (text.isascii() and text.isprintable()):
        text = _visible(_BLANK.sub(" ", _SEQUENCE.sub("", text).replace("\n", " ")))
    return shortened(" ".join(text.split()), most)


def plain_lines(text: str) -> str:
    """As `plain`, but for line ends, tabs, blanks and the length, which stay."""
    if _SEEN.fullmatch(text):
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    return "\n".join(
        "\t".join(_visible(_BLANK.sub(" ", cell)) for cell in line.split("\t"))
        for line in text.split("\n")
    )


def shortened(text: str, most: int) -> str:
    """A text without its middle where it is too long; what differs at its end stays apart."""
    if len(text) <= most:
        return text
    tail = most // 4
    return f"{text[: most - tail]}...{text[-tail:]} ({len(text):,} characters)"


def plain_in(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """A JSON value in whose texts, keys too, nothing is invisible and nothing too long."""
    if isinstance(value, str):
        return value if _SEEN.fullmatch(value) and len(value) <= TEXT else plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain_in(one) for key, one in value.items()}
    return [plain_in(one) for one in value] if isinstance(value, list | tuple) else value


def json_text(value: Any) -> str:  # noqa: ANN401  # any JSON value
    """A JSON document, with a line end, that every reader takes (RFC 8259).

    A number that is not finite, such as the open end of a range, is null. What JSON does not know
    stands as its text, and nothing invisible but as an escape.
    """
    shown = json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    return escaped(f"{shown}\n")


def finite(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """The value with null in place of every number that is not finite, which JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value


def escaped(document: str, *, ascii_only: bool = False) -> str:
    r"""A JSON document whose invisible characters stand as ``\uXXXX``: the same values."""
    if _SEEN.fullmatch(document):
        return document
    return "".join(
        c if c == "\n" or (_shows(c) and (c.isascii() or not ascii_only)) else _escape(c)
        for c in document
    )


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2))


def _shows(character: str) -> bool:
    return character.isprintable() and character not in _UNSEEN


def _visible(text: str) -> str:
    """The text's visible characters; a blank of another width is a blank."""
    kept: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category == "Zs":
            kept.append(" ")
        elif _shows(character) and marks <= STACKED:
            kept.append(character)
    return "".join(kept)
