"""The contract of persongen-bench, and what is particular to `Blend`."""

from typing import ClassVar

import numpy as np
from plugin_example.blend import Blend, mean_image

from persongen_bench.testing import MethodContract


class TestBlend(MethodContract):
    method = Blend
    taste_floor = 0.85  # blends of one hue keep it; the ceiling of the toy world is 0.95


class TestSingle(MethodContract):
    method = Blend
    config: ClassVar = {"n_blended": 1}


def test_mean_of_black_and_white_is_grey():
    black = np.zeros((3, 4, 4), np.uint8)
    white = np.full((3, 4, 4), 255, np.uint8)
    assert np.unique(mean_image([black, white])).tolist() == [128]  # rint(127.5) is even: 128


def test_mean_of_one_picture_is_the_picture():
    picture = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    assert (mean_image([picture]) == picture).all()
