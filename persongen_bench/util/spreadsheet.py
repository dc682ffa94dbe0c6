"""Tables for spreadsheets: no cell is read as a formula, no text in it steers a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from persongen_bench.core.plain import plain

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"[\s'\"`]*[=+\-@|%\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]")
"""Begins what some spreadsheet computes, behind blanks and quotes and in full width too."""


def cell(value: object) -> object:
    """A cell as it is written: a text that would be a formula gets an apostrophe in front.

    Numbers stay in full precision; None is empty.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if _FORMULA.match(value) or _FORMULA.match(text) else text


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as CSV (UTF-8, without its index), all of whose texts are `cell`s."""
    texts = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    shown = {name: frame[name].map(lambda v: cell(v) if isinstance(v, str) else v)
             for name in texts}  # fmt: skip
    named = frame.assign(**shown).rename(columns=lambda name: cell(str(name)))
    return named.to_csv(index=False).encode()
