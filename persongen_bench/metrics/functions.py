"""The metrics that need arrays alone, as functions: the very code the benchmark's metrics run.

Features are rows, one per image, of any encoder; pictures are uint8, RGB, channels first. Every
function raises `DataError` where the shapes or the number of rows do not do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Image
from persongen_bench.metrics import _lpips
from persongen_bench.metrics._targets import cosines
from persongen_bench.metrics.pictures import _neighbours
from persongen_bench.metrics.pictures import cmmd as _cmmd
from persongen_bench.metrics.pictures import fd_infinity as _infinity
from persongen_bench.metrics.pictures import kid as _kid
from persongen_bench.metrics.pictures._frechet import frechet_distance
from persongen_bench.metrics.pictures._neighbours import Overlap
from persongen_bench.metrics.risk import copy_rate as _copies
from persongen_bench.metrics.risk import novelty as _novelty
from persongen_bench.metrics.similarity import _ssim
from persongen_bench.metrics.variety.diversity import mean_cosine_distance
from persongen_bench.metrics.variety.lpips_diversity import mean_pair_distance
from persongen_bench.metrics.variety.vendi import vendi_score


def fid(generated: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"]) -> float:
    """Frechet Inception distance of Inception features, in [0, inf); biased by about 1/n + 1/m.

    Heusel et al. 2017, eq. 6. The features say which FID it is (clean-fid, TensorFlow's,
    pytorch-fid). n and m may be smaller than d here, where ``fid@...`` as a metric refuses: the
    number is then mostly bias. Needs two rows of each.
    """
    return frechet_distance(*_two(generated, reference, least=2))


def fd(generated: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"]) -> float:
    """Frechet distance of any encoder's features, in [0, inf); the same formula as `fid`."""
    return frechet_distance(*_two(generated, reference, least=2))


def fd_infinity(
    generated: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"], seed: int = 0
) -> float:
    """Frechet distance extrapolated to infinitely many images; may be negative.

    Chong and Forsyth 2020, with both sets cut to the same size. ``seed`` draws the subsets. Needs
    ``2 (d + 1)`` rows of each.
    """
    width = np.shape(generated)[-1] if np.ndim(generated) == 2 else 0
    return _infinity.fd_infinity(*_two(generated, reference, 2 * (width + 1)), seed).distance


def kid(generated: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"]) -> float:
    """Kernel Inception distance of Inception features: unbiased, may be negative, not times 1000.

    Binkowski et al. 2018, over all pairs. Needs two rows of each.
    """
    return _kid.kid(*_two(generated, reference, least=2))


def cmmd(
    generated: Float[np.ndarray, "n d"],
    reference: Float[np.ndarray, "m d"],
    estimator: _cmmd.Estimator = "u",
) -> float:
    """1000 times the squared MMD of CLIP features scaled to unit length, Gaussian kernel, sigma 10.

    Jayasumana et al. 2024. ``u``: unbiased, may be negative; ``v``: as published, biased at small
    n. Needs two rows of each (``v``: one).
    """
    if estimator not in _cmmd.ESTIMATES:
        raise ConfigError(f"cmmd: unknown estimator {estimator!r}", fix="Use u or v.")
    return _cmmd.cmmd(*_two(generated, reference, least=2 if estimator == "u" else 1), estimator)


def precision_recall(
    generated: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"], k: int = 3
) -> Overlap:
    """Precision, recall, density and coverage of k-nearest-neighbour manifolds.

    Kynkaanniemi et al. 2019 (k = 3 there), Naeem et al. 2020 (k = 5). The rows are compared as
    they are; the metrics ``manifold-precision`` and the like scale them to unit length first.
    Needs more than k rows of each.
    """
    if k < 1:
        raise ConfigError(f"precision_recall: k={k}", fix="Take 1 or more neighbours.")
    return _neighbours.overlap(*_two(generated, reference, least=k + 1), k)


def vendi(features: Float[np.ndarray, "n d"]) -> float:
    """Vendi score with the cosine kernel: how many different images the n amount to; in [1, n].

    Friedman and Dieng 2023, definition 3.1, order 1.
    """
    return vendi_score(_rows("features", features, least=1))


def diversity(features: Float[np.ndarray, "n d"]) -> float:
    """Mean cosine distance over all pairs of rows; in [0, 2], 0 = all alike. Needs two rows."""
    return mean_cosine_distance(_rows("features", features, least=2))


def mean_cosine(images: Float[np.ndarray, "n d"], targets: Float[np.ndarray, "m d"]) -> float:
    """Mean cosine of every image with every target; in [-1, 1].

    With CLIP features CIS, with DINO features DIS, with embedded captions as targets CS.
    """
    return float(cosines(*_two(images, targets, 1, names=("images", "targets"))).mean())


def copy_rate(
    images: Float[np.ndarray, "n d"],
    seen: Float[np.ndarray, "m d"],
    threshold: float = _copies.THRESHOLD,
) -> float:
    """Share of images whose cosine to a seen one is at least ``threshold``; in [0, 1].

    The metric raises the threshold where held-out pictures would pass it.
    """
    return _copies.copy_rate(*_two(images, seen, 1, names=("images", "seen")), threshold)


def novelty(
    images: Float[np.ndarray, "n d"],
    unseen: Float[np.ndarray, "m d"],
    seen: Float[np.ndarray, "k d"],
) -> float:
    """Mean of the highest cosine to ``unseen`` less the highest to ``seen``; in [-2, 2].

    A larger set is nearer to everything: of the larger one the mean over all its subsets of the
    smaller one's size is taken.
    """
    rows, new = _two(images, unseen, 1, names=("images", "unseen"))
    _, old = _two(images, seen, 1, names=("images", "seen"))
    return float(_novelty.novelty(rows, new, old).mean())


def ssim(
    first: UInt8[np.ndarray, "*n 3 h w"], second: UInt8[np.ndarray, "*n 3 h w"]
) -> Float[np.ndarray, "*n"]:
    """SSIM of two pictures, or of ``first[i]`` and ``second[i]``; in [-1, 1], 1 = the same.

    Wang et al. 2004, eq. 13, as pytorch-msssim computes it. Sides of at least 11.
    """
    return _of_pictures(_ssim.ssim, first, second)


def ms_ssim(
    first: UInt8[np.ndarray, "*n 3 h w"], second: UInt8[np.ndarray, "*n 3 h w"], n_scales: int = 5
) -> Float[np.ndarray, "*n"]:
    """MS-SSIM of two pictures, or of ``first[i]`` and ``second[i]``; in [0, 1], 1 = the same.

    Wang, Simoncelli and Bovik 2003, eq. 7. Sides of at least 161 for five scales, 81, 41, 21 and
    11 for fewer, whose weights are divided by their sum.
    """
    return _of_pictures(lambda a, b: _ssim.ms_ssim(a, b, n_scales), first, second)


def psnr(
    first: UInt8[np.ndarray, "*n 3 h w"], second: UInt8[np.ndarray, "*n 3 h w"]
) -> Float[np.ndarray, "*n"]:
    """Peak signal-to-noise ratio in decibel of two pictures, or of pairs; inf if equal."""
    return _of_pictures(_ssim.psnr, first, second)


def lpips(
    first: Sequence[Image], second: Sequence[Image], model: ImageEncoder
) -> Float[np.ndarray, " n"]:
    """LPIPS of ``first[i]`` and ``second[i]``; 0 = the same picture, no fixed upper end.

    Zhang et al. 2018, eq. 1. ``model``: a stack's role ``lpips/alex`` or ``lpips/vgg``
    (`core.roles.open_role`), whose vectors have the distance as their squared Euclidean one.
    """
    if len(first) != len(second):
        raise DataError(f"lpips: {len(first)} and {len(second)} pictures, expected pairs")
    a, b = (model.encode([imaging.check(image) for image in part]) for part in (first, second))
    pairs = zip(a, b, strict=True)
    return np.array([_lpips.squared_distances(x[None], y[None])[0, 0] for x, y in pairs])


def lpips_diversity(images: Sequence[Image], model: ImageEncoder) -> float:
    """Mean LPIPS over all pairs of the pictures, at least two; ``model`` as in `lpips`."""
    if len(images) < 2:
        raise DataError(f"lpips_diversity: {len(images)} pictures, at least 2 are needed")
    return mean_pair_distance(model.encode([imaging.check(image) for image in images]))


def _rows(name: str, rows: np.ndarray, least: int) -> np.ndarray:
    """The features, checked; floats stay of their kind, whole numbers become float64."""
    array = np.asarray(rows)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        given = f"{array.shape} of {array.dtype}"
        raise DataError(f"{name}: expected rows of numbers (n, d), found {given}")
    if len(array) < least:
        raise DataError(f"{name}: {len(array)} rows, at least {least} are needed")
    if not np.isfinite(array).all():
        raise DataError(f"{name}: a value is not finite")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _two(
    first: np.ndarray,
    second: np.ndarray,
    least: int,
    names: tuple[str, str] = ("generated", "reference"),
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of one width."""
    a, b = _rows(names[0], first, least), _rows(names[1], second, least)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"{names[0]} has {a.shape[1]} dimensions, {names[1]} {b.shape[1]}")
    return a, b


def _of_pictures(
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray], first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """One number for two pictures, ``n`` for two batches."""
    a, b = np.asarray(first), np.asarray(second)
    if a.ndim not in (3, 4) or a.shape != b.shape:
        raise DataError(f"expected two (3, h, w) or two (n, 3, h, w), found {a.shape}, {b.shape}")
    pairs = (rows.reshape(-1, *rows.shape[-3:]) for rows in (a, b))
    return np.asarray(compare(*pairs)).reshape(a.shape[:-3])
