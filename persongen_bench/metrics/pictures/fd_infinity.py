"""FD-infinity: the Frechet distance that infinitely many images would have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Self, final

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.metric import MetricInfo
from persongen_bench.core.types import Embeddings
from persongen_bench.metrics._compared import Compared
from persongen_bench.metrics._rows import distinct_rows
from persongen_bench.metrics._sets import (
    Measured,
    SetMetric,
    infinitesimal_influence,
    parse_encoder,
)
from persongen_bench.metrics.pictures._frechet import Influence, frechet_influence

N_SIZES = 15
"""Sample sizes on the line (Chong and Forsyth 2020)."""
SMALLEST = 10
"""The smallest of them is this fraction of all rows, or one more than there are dimensions."""
SEED = 0


def fd_infinity(x: Embeddings, y: Embeddings, seed: int = SEED) -> Influence:
    """Frechet distance extrapolated to n = infinity, and its influence at every row of ``x``.

    Chong and Forsyth 2020: the bias is linear in 1/n to first order, so distances at `N_SIZES`
    sizes are fitted by a line in 1/n, and the number is its intercept. Different from the paper,
    both sets are cut to the same n at every size, so that the bias of the reference set goes too;
    and at each size the mean over as many disjoint subsets as there are is taken. The estimate is
    unbiased to first order and may be negative. The subsets depend on ``seed``, the sizes and the
    rows themselves, not on their order: equal rows share their influence.

    The influence is that of this very estimate: the combination of the influences in the subsets.
    Raises `ValueError` where the smaller set has fewer than ``2 (d + 1)`` rows.
    """
    sizes = line_sizes(min(len(x), len(y)), x.shape[1])
    distances = np.zeros(len(sizes))
    weights = intercept_weights(sizes)
    rows = np.zeros(len(x))
    place, (order_x, order_y) = distinct_rows(x)[0], (_by_content(x), _by_content(y))
    for k, (drawn_x, drawn_y) in _subsets(len(x), len(y), sizes, seed):
        chosen_x, chosen_y = order_x[drawn_x], order_y[drawn_y]
        share = 1 / (min(len(x), len(y)) // sizes[k])
        subset = frechet_influence(x[chosen_x], y[chosen_y])
        distances[k] += share * subset.distance
        rows[chosen_x] += weights[k] * share * subset.rows * len(x) / sizes[k]
    shared = (np.bincount(place, rows) / np.bincount(place))[place]
    return Influence(float(weights @ distances), shared)


def _by_content(rows: Embeddings) -> Int[np.ndarray, " n"]:
    """Positions of the rows in an order that neither their owners nor their names change.

    By their hashes: in an order by value the same ranks would be drawn from every set, and subsets
    would not be random.
    """
    digests = [hashlib.sha256(row.tobytes()).digest() for row in np.ascontiguousarray(rows)]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.intp)


def line_sizes(n: int, d: int) -> Int[np.ndarray, " sizes"]:
    """The sample sizes, evenly spaced, for sets of ``n`` rows of ``d`` dimensions."""
    if n < 2 * (d + 1):
        raise ValueError(f"a line in 1/n needs {2 * (d + 1)} rows of {d} dimensions, found {n}")
    smallest = max(d + 1, n // SMALLEST)
    return np.unique(np.linspace(smallest, n, N_SIZES).round().astype(np.intp))


def intercept_weights(sizes: Int[np.ndarray, " sizes"]) -> Float[np.ndarray, " sizes"]:
    """Weights of the values at ``sizes`` in the intercept of their least-squares line in 1/n."""
    design = np.stack([np.ones(len(sizes)), 1 / sizes], axis=1)
    return np.asarray(np.linalg.pinv(design)[0])


def _subsets(
    n: int, m: int, sizes: Int[np.ndarray, " sizes"], seed: int
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """Disjoint subsets of both sets at each size."""
    rng = np.random.default_rng(seed)
    for k, size in enumerate(sizes):
        order_x, order_y = rng.permutation(n), rng.permutation(m)
        for start in range(0, min(n, m) - size + 1, size):
            yield k, (order_x[start : start + size], order_y[start : start + size])


@final
class FdInfinity(SetMetric):
    """Frechet distance without its bias of order 1/n, such as ``fd-infinity@inception/clean``.

    What makes a Frechet distance of few images large is mostly the bias, which differs between
    methods; this number compares runs of different n better, at the price of a wider interval.
    Against other reference images: ``fd-infinity@dino-likes``, ``fd-infinity@dino-catalogue``.
    """

    arguments: ClassVar[tuple[str, ...]] = ("inception/clean", "dino")
    example: ClassVar[str] = "inception/clean"
    card: ClassVar[MetricInfo] = MetricInfo(
        name="fd-infinity",
        family="quality",
        direction="lower",
        range=(-np.inf, np.inf),
        unit="squared feature distance",
        source="Chong and Forsyth 2020",
        level="set",
        shows_not="Whether anybody gets the images they like. Infinitely many images means more "
        "images of these users, not more users. Two moments only.",
    )
    details = (
        f"estimator:intercept-in-1/n|sizes:{N_SIZES}|equal-n|disjoint-subsets:by-hash"
        f"|seed:{SEED}|cov:n-1|float64|spread:infinitesimal-jackknife"
    )
    version = 2

    def __init__(self, role: str) -> None:
        self.info = replace(self.card, name=f"fd-infinity@{role}", roles=(role,))

    @classmethod
    def of(cls, argument: str | None) -> Self:
        """A role with an image space, or ``role/variant``."""
        return cls(parse_encoder("fd-infinity", argument))

    def refusal(self, sets: Compared) -> str | None:
        """Needs sizes from d + 1 to twice that."""
        n, m, d = sets.sizes
        if min(n, m) >= 2 * (d + 1):
            return None
        return (
            f"{n} generated and {m} reference images of {d} dimensions, where a line in 1/n "
            f"needs {2 * (d + 1)} of each; use cmmd or kid"
        )

    def measure(self, sets: Compared) -> Measured:
        """The intercept with the infinitesimal jackknife over units."""
        estimate = fd_infinity(sets.generated, sets.reference)
        return Measured(estimate.distance, infinitesimal_influence(estimate.rows, sets.owners))

    def cautions(self, sets: Compared, number: float) -> list[str]:
        """A line fitted over a short range, and an impossible number."""
        n, m, d = sets.sizes
        said = []
        if min(n, m) < SMALLEST * (d + 1):
            said.append(
                f"n={n} generated and m={m} reference images of {d} dimensions: the line in 1/n "
                f"starts at {d + 1} images, not at a tenth of them; the intercept is uncertain"
            )
        if number < 0:
            said.append("negative: no larger than its own error")
        return said
