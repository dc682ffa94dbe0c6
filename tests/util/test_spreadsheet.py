"""CSV that no spreadsheet runs."""

import io

import pandas as pd
import pytest

from persongen_bench.util.spreadsheet import cell, csv_bytes

FORMULAS = ["=1+1", " =1+1", "\t=1", "\r=1", "\n=1", "+1", "-1+2", "@SUM(A1)", "\uff1d1", "\uff0b1",
            "\uff0d1", "\uff201", '"=1"', "'=1", " \" =1", "\u00a0=1", "\u200b=1", "\u202e=1",
            "\x00=1", "\ufeff=1", "%0A=1", "|calc"]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_formula_is_text(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["rebeca", "a=b", "x-y", "mean embedding", "0.5", "北京"])
def test_other_texts_stay(text):
    assert cell(text) == text


def test_numbers_keep_every_digit():
    assert cell(-0.1 + 0.3) == "0.19999999999999998"
    assert cell(-3) == -3
    assert cell(None) == ""


def test_frames():
    frame = pd.DataFrame({"=name": ["=1", "b\x1b[31m"], "value": [-0.25, 1.0], "n": [1, 2]})
    read = pd.read_csv(io.BytesIO(csv_bytes(frame)))
    assert list(read.columns) == ["'=name", "value", "n"]
    assert list(read["'=name"]) == ["'=1", "b"]
    assert list(read["value"]) == [-0.25, 1.0]
