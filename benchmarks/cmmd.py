"""CMMD at the published size: time, memory, and the same number by another route.

Run ``python benchmarks/cmmd.py``: 30,000 generated against 1,000 reference rows of 768 dimensions
(CLIP ViT-L/14), all pairs in float64, both estimators from one pass. The check sums the kernel in
another way: rows of a part of the set, whole kernel matrix at once, scipy's distances.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from scipy.spatial.distance import cdist

from persongen_bench.core.types import Embeddings
from persongen_bench.metrics.pictures._kernels import kernel_sums, mmd_biased, mmd_unbiased
from persongen_bench.metrics.pictures.cmmd import SCALE, SIGMA, cmmd, unit_gaussian_kernel

MEMORY = 1.0
"""Most accepted GB of the whole process, libraries and features included."""
CHECKED = 1500
"""Rows of the check, whose kernel matrix is held whole."""


def peak_gb() -> float:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def by_scipy(x: Embeddings, y: Embeddings) -> float:
    """The V-statistic by full matrices."""
    one, other = (
        s.astype(np.float64) / np.linalg.norm(s.astype(np.float64), axis=1, keepdims=True)
        for s in (x, y)
    )

    def mean(a: Embeddings, b: Embeddings) -> float:
        return float(np.exp(cdist(a, b, "sqeuclidean") / (-2 * SIGMA**2)).mean())

    return SCALE * (mean(one, one) + mean(other, other) - 2 * mean(one, other))


def main() -> None:
    """Print time, memory and numbers; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--n", type=int, default=30_000)
    parser.add_argument("--m", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=768)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x, y = (
        rng.standard_normal((rows, options.dim), dtype=np.float32) + np.float32(shift)
        for rows, shift in ((options.n, 0.1), (options.m, 0.05))
    )
    before, start = peak_gb(), time.perf_counter()
    sums = kernel_sums(x, y, unit_gaussian_kernel)
    unbiased, biased = SCALE * mmd_unbiased(sums), SCALE * mmd_biased(sums)
    seconds, grown = time.perf_counter() - start, peak_gb() - before
    held = before + grown
    print(f"n = {options.n}, m = {options.m}, d = {options.dim}: {seconds:.1f} s")
    print(f"peak {held:.2f} GB, {before:.2f} of it before (libraries and the features)")
    print(f"cmmd@u {unbiased:.9g}   cmmd@v {biased:.9g}")
    mine, other = cmmd(x[:CHECKED], y, "v"), by_scipy(x[:CHECKED], y)
    apart = abs(mine / other - 1)
    print(
        f"first {CHECKED} rows: {mine:.12g}, by scipy's distances {other:.12g}, {apart:.1e} apart"
    )
    passed = held < MEMORY and apart < 1e-9
    print(f"targets ({MEMORY} GB, equal to 1e-9): {'met' if passed else 'MISSED'}")
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
