"""Permutation tests against the loop that scores every permutation anew.

Run ``python benchmarks/permutation.py``. The published procedure (paper 001, Alg. 2 and its
notebook) calls the verifier again for each permutation. Both tests of `persongen_bench.stats`
score every pair of user and image once and then only index; that one scoring is part of the time
measured here. The loop gets a fair verifier: vectorised, one batch per permutation. Both sides
use the same permutations, so that the counts k must agree to the last one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from persongen_bench import stats
from persongen_bench.stats.permutation import TestResult

EMBEDDING_SIZE = 1280
"""Of the published verifier's encoder, CLIP ViT-bigG/14."""
RANK = 128
"""Of the factorisation; the published one has 480, so this favours the loop."""
LEAN = np.float32(0.00015)
"""How far images lean towards their user: so little that k stays well above 0."""
TARGET = 100
"""Least accepted ratio of the times."""


@dataclass(frozen=True)
class Verifier:
    """Matrix factorisation on embeddings: ``sigmoid(user . (embedding @ projection) + bias)``."""

    users: Float[np.ndarray, "users rank"]
    biases: Float[np.ndarray, " users"]
    projection: Float[np.ndarray, "1280 rank"]

    def pairs(
        self, users: Int[np.ndarray, " n"], embeddings: Float[np.ndarray, "n 1280"]
    ) -> Float[np.ndarray, " n"]:
        """Score of image i by ``users[i]``."""
        dots = np.einsum("nr,nr->n", embeddings @ self.projection, self.users[users])
        return sigmoid(dots + self.biases[users])

    def matrix(self, embeddings: Float[np.ndarray, "n 1280"]) -> Float[np.ndarray, "n users"]:
        """Score of every image by every user."""
        return sigmoid(embeddings @ self.projection @ self.users.T + self.biases)


@dataclass(frozen=True)
class Case:
    """Generated images of a benchmark-sized run."""

    verifier: Verifier
    embeddings: Float[np.ndarray, "n 1280"]
    owners: Int[np.ndarray, " n"]
    n_users: int
    n_images: int


def sigmoid(logits: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Logistic function."""
    return np.asarray(1 / (1 + np.exp(-logits)))


def draw_case(n_users: int, n_images: int, rng: np.random.Generator) -> Case:
    """Random users, and images that lean towards their user's taste just enough to leave k > 0."""
    users = rng.normal(size=(n_users, RANK)).astype(np.float32)
    projection = rng.normal(0, EMBEDDING_SIZE**-0.5, (EMBEDDING_SIZE, RANK)).astype(np.float32)
    biases = rng.normal(0, 0.5, n_users).astype(np.float32)
    owners = np.repeat(np.arange(n_users), n_images)
    noise = rng.normal(0, 0.1, (len(owners), EMBEDDING_SIZE)).astype(np.float32)
    embeddings = noise + LEAN * (users @ projection.T)[owners]
    return Case(Verifier(users, biases, projection), embeddings, owners, n_users, n_images)


def rescore_users(case: Case, rng: np.random.Generator, n_permutations: int) -> TestResult:
    """User-block test, scoring anew: user u is served the images of user ``permutation[u]``."""
    images = np.arange(len(case.owners)).reshape(case.n_users, case.n_images)

    def statistic(permutation: Int[np.ndarray, " users"]) -> float:
        served = case.embeddings[images[permutation].ravel()]
        scores = case.verifier.pairs(case.owners, served).reshape(images.shape)
        return float(scores.mean(axis=1, dtype=np.float64).mean())

    return _loop(statistic, case.n_users, rng, n_permutations)


def rescore_images(case: Case, rng: np.random.Generator, n_permutations: int) -> TestResult:
    """Image-level test, scoring anew: slot j is served image ``permutation[j]``."""
    shape = (case.n_users, case.n_images)

    def statistic(permutation: Int[np.ndarray, " n"]) -> float:
        scores = case.verifier.pairs(case.owners, case.embeddings[permutation]).reshape(shape)
        return float(np.median(scores.mean(axis=1, dtype=np.float64)))

    return _loop(statistic, len(case.owners), rng, n_permutations)


def _loop(
    statistic: Callable[[Int[np.ndarray, " m"]], float],
    size: int,
    rng: np.random.Generator,
    n_permutations: int,
) -> TestResult:
    observed, reached = statistic(np.arange(size)), 0
    for _ in range(n_permutations):
        reached += statistic(stats.draw_permutations(rng, 1, size)[0]) >= observed
    return TestResult(observed, (1 + reached) / (n_permutations + 1), n_permutations)


def index_users(case: Case, rng: np.random.Generator, n_permutations: int) -> TestResult:
    """Ours: score once, then the user-block test."""
    matrix = stats.block_means(case.verifier.matrix(case.embeddings), case.owners)
    return stats.user_permutation_test(matrix, rng, n_permutations)


def index_images(case: Case, rng: np.random.Generator, n_permutations: int) -> TestResult:
    """Ours: score once, then the image-level test."""
    scores = case.verifier.matrix(case.embeddings)
    return stats.image_permutation_test(scores, case.owners, rng, n_permutations)


Test = Callable[[Case, np.random.Generator, int], TestResult]


def _timed(test: Test, case: Case, n_permutations: int, repeats: int) -> tuple[float, TestResult]:
    """Best wall time of ``repeats`` runs, in seconds, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = test(case, np.random.default_rng(1), n_permutations)
        times.append(time.perf_counter() - start)
    return min(times), result


def _count(result: TestResult) -> int:
    return round(result.p_value * (result.n_permutations + 1)) - 1


def _compare(name: str, loop: Test, ours: Test, case: Case, n_permutations: int) -> bool:
    slow, expected = _timed(loop, case, n_permutations, repeats=1)
    fast, result = _timed(ours, case, n_permutations, repeats=3)
    same = _count(expected) == _count(result)
    print(
        f"{name:12s} loop {slow:7.2f} s   ours {fast:6.3f} s   ratio {slow / fast:6.0f}x   "
        f"k {_count(expected)} and {_count(result)} of {n_permutations}: "
        f"{'identical' if same else 'DIFFERENT'}"
    )
    return same and slow / fast >= TARGET


def main() -> None:
    """Print times, ratios and counts of both tests; exit status 1 if one misses its target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--users", type=int, default=210)
    parser.add_argument("--images", type=int, default=30, help="images per user")
    parser.add_argument("--permutations", type=int, default=1000)
    options = parser.parse_args()
    case = draw_case(options.users, options.images, np.random.default_rng(0))
    print(
        f"{options.users} users x {options.images} images, {options.permutations} permutations, "
        f"{EMBEDDING_SIZE}-d embeddings; both sides timed in full, scoring included"
    )
    passed = [
        _compare("whole users", rescore_users, index_users, case, options.permutations),
        _compare("image-level", rescore_images, index_images, case, options.permutations),
    ]
    print(f"target: ratio >= {TARGET}x and identical k: {'met' if all(passed) else 'MISSED'}")
    raise SystemExit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
