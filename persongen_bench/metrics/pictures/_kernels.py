"""Squared maximum mean discrepancy of two sets of features (Gretton et al. 2012).

Every pair of rows enters once, in tiles: no random subsets, and no ``(n, m)`` matrix in memory.
Kernel sums by user are kept, so that leaving out a user costs a few additions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._sets import Measured, jackknife_influence
from persongen_bench.util.batching import blocks

TILE = 1024
"""Rows and columns of the kernel matrix computed at a time: 8 MiB of float64 each tile."""

FEWEST = 5
"""Images of each set below which no number is given, though an unbiased one needs but two."""

Kernel = Callable[[Embeddings, Embeddings], Float[np.ndarray, "n m"]]
"""Float64 rows ``(n, d)`` and ``(m, d)`` => kernel values ``(n, m)``."""


def polynomial_kernel(a: Embeddings, b: Embeddings) -> Float[np.ndarray, "n m"]:
    """``(a.b / d + 1)^3``, the kernel of KID (Binkowski et al. 2018)."""
    base = a @ b.T
    base /= a.shape[1]
    base += 1
    return np.asarray(base * base * base)


def gaussian_kernel(a: Embeddings, b: Embeddings, sigma: float) -> Float[np.ndarray, "n m"]:
    """``exp(-|a - b|^2 / (2 sigma^2))``."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
    squares -= 2 * (a @ b.T)
    np.maximum(squares, 0.0, out=squares)
    squares /= -2 * sigma**2
    return np.asarray(np.exp(squares, out=squares))


@dataclass(frozen=True)
class KernelSums:
    """Sums over the kernel matrix of one or two sets; generated rows belong to users."""

    n: Int[np.ndarray, " users"]
    """Generated rows of each user."""
    m: int
    """Reference rows."""
    own: Float[np.ndarray, " users"]
    """Pairs of a user's rows with each other, the diagonal left out."""
    rows: Float[np.ndarray, " users"]
    """Pairs of a user's rows with all generated rows, the diagonal left out."""
    diagonal: Float[np.ndarray, " users"]
    cross: Float[np.ndarray, " users"]
    """Pairs of a user's rows with all reference rows."""
    reference: float
    """All pairs of reference rows, the diagonal left out."""
    reference_diagonal: float


def kernel_sums(
    generated: Embeddings,
    reference: Embeddings,
    kernel: Kernel,
    owners: Int[np.ndarray, " n"] | None = None,
) -> KernelSums:
    """Sums by user; without ``owners`` all generated rows are one user's.

    ``owners``: 0 .. users - 1. Features may be memory maps; beside them it holds a few tiles.
    Raises `ValueError` where the widths differ or a value is not finite.
    """
    if generated.shape[1] != reference.shape[1]:
        raise ValueError(f"{generated.shape[1]} and {reference.shape[1]} dimensions")
    owner = np.zeros(len(generated), dtype=np.intp) if owners is None else owners
    size = int(owner.max(initial=-1)) + 1
    own, rows, diagonal = _within(generated, owner, kernel)
    cross = np.zeros(size)
    for u, _, tile in _tiles(generated, reference, kernel):
        cross += np.bincount(owner[u], weights=tile.sum(axis=1), minlength=size)
    one = np.zeros(len(reference), dtype=np.intp)
    _, (total,), (trace,) = _within(reference, one, kernel) if len(reference) else np.zeros((3, 1))
    if not np.isfinite([rows.sum(), cross.sum(), total]).all():
        raise ValueError("features are not finite")
    return KernelSums(
        n=np.bincount(owner, minlength=size),
        m=len(reference),
        own=own - diagonal,
        rows=rows - diagonal,
        diagonal=diagonal,
        cross=cross,
        reference=float(total - trace),
        reference_diagonal=float(trace),
    )


def _within(
    features: Embeddings, owner: Int[np.ndarray, " n"], kernel: Kernel
) -> Float[np.ndarray, "3 users"]:
    """Sums by user over pairs of the user's own rows, of all rows, and over the diagonal.

    The kernel is symmetric: tiles below the diagonal are those above it, transposed.
    """
    size = int(owner.max(initial=-1)) + 1
    own, rows, diagonal = np.zeros((3, size))
    for u, v, tile in _tiles(features, features, kernel, upper=True):
        mirrored = v.start > u.start
        along = tile.sum(axis=1)
        rows += np.bincount(owner[u], weights=along, minlength=size)
        if mirrored:
            rows += np.bincount(owner[v], weights=tile.sum(axis=0), minlength=size)
        else:
            diagonal += np.bincount(owner[u], weights=tile.diagonal(), minlength=size)
        same = owner[u][:, None] == owner[v]
        if same.any():
            inside = (tile * same).sum(axis=1) * (2 if mirrored else 1)
            own += np.bincount(owner[u], weights=inside, minlength=size)
    return np.stack([own, rows, diagonal])


def _tiles(
    a: Embeddings, b: Embeddings, kernel: Kernel, *, upper: bool = False
) -> Iterator[tuple[slice, slice, Float[np.ndarray, "s t"]]]:
    """Tiles of the kernel matrix: all, or those on and above the diagonal."""
    for u in blocks(len(a), TILE):
        left = np.asarray(a[u], dtype=np.float64)
        for v in blocks(len(b), TILE):
            if not upper or v.start >= u.start:
                yield u, v, kernel(left, np.asarray(b[v], dtype=np.float64))


def mmd_unbiased(sums: KernelSums) -> float:
    """Squared MMD without bias (U-statistic; Gretton et al. 2012, lemma 6); may be negative.

    Pairs of a row with itself are left out. Raises `ValueError` where a set has one row or none.
    """
    n, m = int(sums.n.sum()), sums.m
    if min(n, m) < 2:
        raise ValueError(f"an unbiased estimate needs two rows of each set, found {n} and {m}")
    within = sums.rows.sum() / (n * (n - 1)) + sums.reference / (m * (m - 1))
    return float(within - 2 * sums.cross.sum() / (n * m))


def mmd_biased(sums: KernelSums) -> float:
    """Squared MMD of the two samples (V-statistic; Gretton et al. 2012, eq. 5); never negative.

    Pairs of a row with itself count: above the unbiased estimate by about 1/n + 1/m times the
    mean difference of a kernel value on and off the diagonal. Raises `ValueError` for empty sets.
    """
    n, m = int(sums.n.sum()), sums.m
    if min(n, m) < 1:
        raise ValueError(f"found {n} and {m} rows")
    within = (sums.rows + sums.diagonal).sum() / n**2
    within += (sums.reference + sums.reference_diagonal) / m**2
    return max(0.0, float(within - 2 * sums.cross.sum() / (n * m)))


def without_user(sums: KernelSums, user: int) -> KernelSums:
    """The sums when this user's rows are left out; exact but for rounding.

    ``own`` stays right for the users that remain; ``rows`` is right in total only, which is what
    the estimates read.
    """
    kept = np.arange(len(sums.n)) != user
    rows = sums.rows[kept].copy()
    # Pairs of the user with the others stand in the user's sum and in those of the others.
    rows[0] -= sums.rows[user] - sums.own[user]
    return KernelSums(
        n=sums.n[kept],
        m=sums.m,
        own=sums.own[kept],
        rows=rows,
        diagonal=sums.diagonal[kept],
        cross=sums.cross[kept],
        reference=sums.reference,
        reference_diagonal=sums.reference_diagonal,
    )


def measured(sums: KernelSums, estimate: Callable[[KernelSums], float], scale: float) -> Measured:
    """The scaled estimate with the exact leave-one-unit-out jackknife."""
    number = scale * estimate(sums)
    if len(sums.n) == 1:
        return Measured(number, np.zeros(1))
    without = [scale * estimate(without_user(sums, u)) for u in range(len(sums.n))]
    return Measured(number, jackknife_influence(number, np.array(without)))


def too_few(sets: Compared) -> str | None:
    """Why there is no number for these sets, if they are too small."""
    n, m, _ = sets.sizes
    if min(n, m) < FEWEST:
        return f"{n} generated and {m} reference images, at least {FEWEST} of each are needed"
    if sets.remaining < 2:
        return f"{n} generated images, fewer than two of them without the largest unit"
    return None
