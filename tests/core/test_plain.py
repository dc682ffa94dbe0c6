"""Text of others made fit to print, character by character."""

import json
import math
import sys
import unicodedata
from pathlib import Path

import pytest

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.plain import (
    LABEL,
    STACKED,
    escaped,
    json_text,
    plain,
    plain_in,
    plain_lines,
    shortened,
)

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\ufe0f\U000e0041\U000e0100\ue000"
HIDDEN = [*BIDI, *UNSEEN, *map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029",
          "\ud800", "\udfff"]  # fmt: skip


@pytest.mark.parametrize("character", HIDDEN, ids=ascii)
def test_a_character_that_shows_nothing(character):
    assert plain(f"a{character}b") in ("ab", "a b")
    kept = character if character in "\n\t" else ""
    assert plain_lines(f"a{character}b") in (f"a{kept}b", "a b")


def test_every_category_that_shows_nothing():
    """The categories of the Unicode standard (chapter 4.5): Cc, Cf, Cs, Co, Zl, Zp, blanks."""
    wrong = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs")
        and plain(f"a{chr(code)}b") not in ("ab", "a b")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://x.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x9b31mb", "ab"),
        ("\x1b]0;without an end", "]0;without an end"),
        ("a\x1b(Bb\x1bcc", "abcc"),
        ("one\ntwo\r\nthree\u2028four", "one two three four"),
        ("2\u202e1\u202c", "21"),
        ("[red]bold[/red]", "[red]bold[/red]"),
        ("Zoë, 北京, ±3 °C, 👍", "Zoë, 北京, ±3 °C, 👍"),
    ],
)
def test_texts(text, shown):
    assert plain(text) == shown


def test_marks_do_not_pile_up():
    marks = "\u0301" * 50
    assert plain(f"a{marks}b") == f"a{marks[:STACKED]}b"


def test_what_is_printable_is_untouched():
    text = "".join(map(chr, range(32, 127)))
    assert plain(text) == text.strip()
    assert plain_lines(f"  {text}\n\tx\n") == f"  {text}\n\tx\n"


def test_long_texts_keep_both_ends():
    text = plain(f"start{'x' * 100_000}end", LABEL)
    assert text.startswith("start")
    assert "end" in text
    assert "(100,008 characters)" in text
    assert len(text) < LABEL + 40
    assert shortened("short", 5) == "short"


def test_json_has_no_number_that_is_none():
    """RFC 8259 knows neither NaN nor Infinity, and most readers refuse both."""
    value = {"a": [1.5, math.nan, (math.inf, "\u202e")], "b": {"c": -math.inf, 3: Path("x")}}
    text = json_text(value)
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": [1.5, None, [None, "\u202e"]], "b": {"c": None, "3": "x"}}


def test_json_keeps_its_values():
    value = {"a\u202e": ["\x1b[31m", "\x7f", "\U000e0041", "\ud800", "é\n"]}
    text = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert all(c.isprintable() for c in text)
    assert escaped(json.dumps(value, ensure_ascii=False), ascii_only=True).isascii()


def test_values_of_a_document():
    assert plain_in({"a\u200b": ["x\x1b[1m", 1, None, True]}) == {"a": ["x", 1, None, True]}


def test_errors_are_plain_and_end():
    error = ConfigError("label \x1b]0;x\x07a\u202eb " + "word " * 10_000, fix="Do \x9bthat.")
    assert str(error).isprintable()
    assert len(str(error)) < 4100
