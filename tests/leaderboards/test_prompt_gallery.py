"""Sheets of prompts show every prompt as it is: its words, and a column for each picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.prompt_gallery import prompt_sheet

RED, BLUE = (210, 30, 40), (20, 60, 200)


def solid(colour):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, 64, 64)).copy()


def drawn(tmp_path, rows, columns=("base", "trained")):
    path = tmp_path / "sheet.png"
    prompt_sheet(rows, columns, path, title="t", subtitle="all prompts")
    with PilImage.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def middle(pixels, colour):
    """Row and column of the middle of what has a colour."""
    return np.argwhere((pixels == np.array(colour)).all(axis=2)).mean(axis=0)


def test_methods_stand_in_columns_and_prompts_in_rows(tmp_path):
    rows = {"a red star": [solid(RED), None], "a blue star": [None, solid(BLUE)]}
    pixels = drawn(tmp_path, rows)
    (red_y, red_x), (blue_y, blue_x) = middle(pixels, RED), middle(pixels, BLUE)
    # One column further to the right and one row further down: 96 pixels and a gap of 6.
    assert (blue_x - red_x, blue_y - red_y) == (102, 102)


def test_the_same_sheet_gives_the_same_bytes(tmp_path):
    rows = {"a red star": [solid(RED), solid(BLUE)]}
    first, again = drawn(tmp_path, rows), drawn(tmp_path, rows)
    assert np.array_equal(first, again)


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="at least one prompt"):
        prompt_sheet({}, ("base",), tmp_path / "s.png", title="t", subtitle="s")
    with pytest.raises(ConfigError, match="one column"):
        prompt_sheet({"x": []}, (), tmp_path / "s.png", title="t", subtitle="s")
