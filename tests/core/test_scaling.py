"""Cutting out the middle before or after scaling gives the same picture."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core import images, scaling


def waves(height, width, seed=0):
    """Smooth along both axes, so that nothing overshoots and is clipped between two passes."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width))
    tones = [np.sin(2 * np.pi * (y * rng.uniform(0, 0.02) + x * rng.uniform(0, 0.02)) + k)
             for k in range(3)]  # fmt: skip
    return np.rint(127 + 100 * np.stack(tones)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (100, 300), (300, 100), (20, 1280), (1, 64), (64, 1)])
def test_ordinary_pictures_are_scaled_and_then_cut(shape):
    # The published processors' own order; up to 64 to 1 not a bit may change.
    image = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    short, size = min(shape), 32
    scaled = (size * shape[1] // short, size * shape[0] // short)
    left, top = (scaled[0] - size) // 2, (scaled[1] - size) // 2
    expected = images.to_pil(image).resize(scaled, PilImage.Resampling.BICUBIC)
    expected = images.from_pil(expected.crop((left, top, left + size, top + size)))
    np.testing.assert_array_equal(scaling.middle(image, scaled, size), expected)


@pytest.mark.parametrize("shape", [(3, 200), (200, 3), (1, 300), (300, 1), (50, 3300), (3300, 50)])
@pytest.mark.parametrize("shorter", [32, 37])
def test_thin_pictures_are_cut_first_and_look_the_same(shape, shorter, monkeypatch):
    image, short = waves(*shape), min(shape)
    scaled = (int(shorter * shape[1] / short), int(shorter * shape[0] / short))
    cut = scaling.middle(image, scaled, 32)
    monkeypatch.setattr(scaling, "THIN", 10**6)
    whole = scaling.middle(image, scaled, 32)
    assert np.abs(cut.astype(int) - whole).max() <= 1


THIN = """
import resource, sys
import numpy as np
from persongen_bench.stacks.judges.pixels import SquarePixels
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
image = np.zeros((3, *map(int, sys.argv[1:3])), dtype=np.uint8)
start = peak()
for fit in ("crop", "whole", "squash"):
    assert SquarePixels(224, fit).square(image).shape == (3, 224, 224)
print(peak() - start)
"""


@pytest.mark.parametrize("shape", [(1, 16_000), (16_000, 1)])
def test_thin_pictures_take_no_memory(shape):
    # Scaled whole, 16,000 x 1 pixels take 224 * 224 * 16,000 * 4 bytes = 3.2 GB.
    arguments = [sys.executable, "-c", THIN, *map(str, shape)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
