"""What somebody said, checked: numbers that are whole, texts that can be written.

Every complaint is one line with a fix.
"""

from __future__ import annotations

from persongen_bench.core.errors import ConfigError

LARGEST_SEED = 2**32 - 1
"""What every generator takes (numpy's old one takes no more)."""
MOST = 1_000_000
"""Answers to one request, workers, threads and the like: more is a slip of the hand."""
SHOWN = 60
"""Characters of a value that an error repeats."""


def whole(name: str, value: object, low: int, high: int = MOST) -> int:
    """A whole number of ``low`` to ``high``; anything else raises `ConfigError` with the name."""
    sound = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not sound:
        raise ConfigError(
            f"{name} is {shown(value)}", fix=f"Use a whole number from {low} to {high}."
        )
    return value  # type: ignore[return-value]  # checked


def shown(value: object) -> str:
    """A value as an error repeats it: on one line, cut to `SHOWN` characters."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1000:
        return f"a number of about {value.bit_length() * 30103 // 100000 + 1:,} digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def no_surrogates(name: str, value: str) -> str:
    """A text that UTF-8 can hold; one with half of a character raises `ConfigError`."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name} {shown(value)} is not UTF-8 text", fix="Write it with other characters."
        ) from None
    return value
