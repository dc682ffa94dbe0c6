"""SSIM and MS-SSIM with the published constants, on uint8 pictures, in float64.

One convention, the formulas of Wang et al. 2004: 11 x 11 Gaussian window of sigma 1.5, only places
where the window fits, k1 .01, k2 .03, range 255 whatever the pictures hold, each colour channel for
itself and then averaged. Pictures are not scaled down first (the authors' ssim.m does, from sides
of 384). Between scales 2 x 2 means; an odd last row or column is repeated before (a symmetric edge;
pytorch-msssim pads zeros there).

What it equals: pytorch-msssim to 1e-11, given the same window in float64 and even sides at every
scale; the values that TensorFlow's tests quote from MATLAB for three pairs of 180 x 240, to 1e-6.
What it does not: every number of the authors' MATLAB script msssim.m. Of five pairs of TID2013 in
grey, for which pyiqa prints that script's values (ResultsCalibra), two differ: .6700 and .8418 here
(pyiqa itself: .6698 and .8418), .6733 and .8462 there. All their sides are even, so edges are not
the cause, and what is has not been found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image as PilImage

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import DataError
from persongen_bench.core.types import Image
from persongen_bench.metrics.similarity._moments import (
    RANGE,
    WINDOW,
    Pairs,
    Scale,
    Terms,
    halved,
    means,
)
from persongen_bench.util.batching import blocks

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang, Simoncelli and Bovik 2003, sec. 3.2)."""
DETAILS = "range:255|window:11-gauss-1.5-valid|k:.01,.03|channels:mean|resize:target-to-image-pil"
"""A target of another size is scaled to the image's, bicubic, its aspect ignored."""
_HELD = 2**23
"""Numbers per array of pictures whose moments are held at a time."""


def smallest_side(n_scales: int) -> int:
    """The side from which the window fits into every scale: 11, 21, 41, 81, 161."""
    return (WINDOW - 1) * (1 << (n_scales - 1)) + 1


def ssim(
    first: UInt8[np.ndarray, "n 3 h w"], second: UInt8[np.ndarray, "n 3 h w"]
) -> Float[np.ndarray, " n"]:
    """SSIM of ``first[i]`` and ``second[i]``: float64 in [-1, 1], 1 for equal pictures.

    Wang et al. 2004, eq. 13. Raises `DataError` for anything but uint8 pictures of one shape with
    sides of at least 11.
    """
    return _ssim_pairs(*_checked(first, second, 1))


def ms_ssim(
    first: UInt8[np.ndarray, "n 3 h w"], second: UInt8[np.ndarray, "n 3 h w"], n_scales: int = 5
) -> Float[np.ndarray, " n"]:
    """MS-SSIM of ``first[i]`` and ``second[i]``: float64 in [0, 1], 1 for equal pictures.

    Wang, Simoncelli and Bovik 2003, eq. 7. The mean contrast-structure term of a channel at a
    scale may be negative, which has no real power: it is set to 0 first, as pytorch-msssim does,
    so that anti-correlated pictures score 0. With fewer than five scales the weights of the finer
    ones are used, divided by their sum. Raises `DataError` for anything but uint8 pictures of one
    shape whose sides are at least `smallest_side`: 161 for five scales.
    """
    a, b, pairs = _checked(first, second, n_scales)
    return _ms_ssim_pairs(a, b, pairs, n_scales)


def psnr(
    first: UInt8[np.ndarray, "n 3 h w"], second: UInt8[np.ndarray, "n 3 h w"]
) -> Float[np.ndarray, " n"]:
    """Peak signal-to-noise ratio of ``first[i]`` and ``second[i]`` in decibel; inf if equal.

    ``20 log10(255) - 10 log10(mean squared error)``, the error over all three channels together.
    """
    _checked(first, second, 1)
    difference = np.subtract(first, second, dtype=np.float64).reshape(len(first), -1)
    error = np.mean(difference**2, axis=1)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(RANGE**2 / error))


def compare(
    pictures: Sequence[Image],
    targets: Sequence[Image],
    wanted: Bool[np.ndarray, "n m"],
    n_scales: int | None = None,
    known: Float[np.ndarray, "2 n m 3"] | None = None,
) -> Float[np.ndarray, "n m"]:
    """SSIM (``n_scales`` None) or MS-SSIM of the wanted pairs; NaN for the others.

    Pictures may differ in size: each target is scaled to the picture's. NaN also where a side of
    the picture is below `smallest_side`. The first scale of MS-SSIM is that of SSIM: ``known``,
    NaN at first, takes its terms, and the next call with the same pictures reads them there.
    """
    similarity = np.full(wanted.shape, np.nan)
    shapes = [imaging.check(picture).shape[1:] for picture in pictures]
    for height, width in sorted(set(shapes)):
        if min(height, width) < smallest_side(n_scales or 1):
            continue
        same = np.array([shape == (height, width) for shape in shapes])
        used = np.flatnonzero(wanted[same].any(axis=0))
        for rows, columns in _tiles(np.flatnonzero(same), used, 3 * height * width):
            pairs = np.argwhere(wanted[np.ix_(rows, columns)])
            if not len(pairs):
                continue
            first = np.stack([pictures[k] for k in rows])
            second = np.stack([fit(targets[k], height, width) for k in columns])
            first, second = first.astype(np.float64), second.astype(np.float64)
            i, j = rows[pairs[:, 0]], columns[pairs[:, 1]]
            terms = _terms(first, second, pairs, None if known is None else known[:, i, j])
            if known is not None:
                known[:, i, j] = terms
            if n_scales is None:
                similarity[i, j] = _ssim_pairs(first, second, pairs, terms)
            else:
                similarity[i, j] = _ms_ssim_pairs(first, second, pairs, n_scales, terms)
    return similarity


def fit(image: Image, height: int, width: int) -> Image:
    """Scale to ``(height, width)`` with PIL's antialiased bicubic filter; aspect is ignored."""
    if imaging.check(image).shape[1:] == (height, width):
        return image
    scaled = imaging.to_pil(image).resize((width, height), PilImage.Resampling.BICUBIC)
    return imaging.from_pil(scaled)


def _tiles(
    rows: np.ndarray, columns: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of pictures and of targets whose moments are held together."""
    most = max(1, _HELD // size)
    for part in blocks(len(rows), most):
        for other in blocks(len(columns), most):
            yield rows[part], columns[other]


def _ssim_pairs(
    first: np.ndarray, second: np.ndarray, pairs: Pairs, known: Terms | None = None
) -> Float[np.ndarray, " pairs"]:
    whole, _ = _terms(first, second, pairs, known)
    return np.asarray(whole.mean(axis=1))


def _ms_ssim_pairs(
    first: np.ndarray, second: np.ndarray, pairs: Pairs, n_scales: int, known: Terms | None = None
) -> Float[np.ndarray, " pairs"]:
    weights = np.array(WEIGHTS[:n_scales]) / (1.0 if n_scales == 5 else sum(WEIGHTS[:n_scales]))
    whole, contrast = _terms(first, second, pairs, known)
    product = np.ones((len(pairs), 3))
    for k, weight in enumerate(weights):
        if k:
            first, second = halved(first), halved(second)
            whole, contrast = means(Scale.of(first), Scale.of(second), pairs)
        last = k == n_scales - 1
        product *= np.maximum(whole if last else contrast, 0.0) ** weight
    return np.asarray(product.mean(axis=1))


def _terms(first: np.ndarray, second: np.ndarray, pairs: Pairs, known: Terms | None) -> Terms:
    """`means` of the pictures as they are, or those that are known."""
    if known is not None and np.isfinite(known).all():
        return known
    return means(Scale.of(first), Scale.of(second), pairs)


def _checked(
    first: np.ndarray, second: np.ndarray, n_scales: int
) -> tuple[np.ndarray, np.ndarray, Pairs]:
    for rows in (first, second):
        if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8:
            given = getattr(rows, "dtype", type(rows).__name__)
            raise DataError(f"expected uint8 pixels 0..255, found {given}")
    if first.ndim != 4 or first.shape[1] != 3 or first.shape != second.shape:
        raise DataError(f"expected two arrays (n, 3, h, w), found {first.shape}, {second.shape}")
    if not 1 <= n_scales <= len(WEIGHTS):
        raise DataError(f"expected 1 to {len(WEIGHTS)} scales, found {n_scales}")
    least = smallest_side(n_scales)
    if min(first.shape[2:]) < least:
        raise DataError(
            f"{n_scales} scales need sides of at least {least}, found {first.shape[2:]}",
            fix="Take fewer scales, such as ms-ssim@history:3.",
        )
    pairs = np.repeat(np.arange(len(first))[:, None], 2, axis=1)
    return first.astype(np.float64), second.astype(np.float64), pairs
