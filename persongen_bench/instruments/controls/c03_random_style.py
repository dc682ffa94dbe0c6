"""C3: an arbitrary style per user depends on the user, but is no personalisation."""

from __future__ import annotations

import numpy as np

from persongen_bench import stats
from persongen_bench.instruments.controls import simulation
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

N_WORLDS, N_QUICK = 3000, 200
N_IMAGE_WORLDS, N_IMAGE_QUICK = 500, 50
"""Worlds in which the slower image-level test is run beside."""
N_PERMUTATIONS = 199
N_USERS, N_IMAGES = 72, 10
SIZE_BAR = 0.06
"""Largest accepted rate of false calls; 2.5 standard errors above alpha at 3,000 worlds."""


def run(options: ControlOptions) -> ControlResult:
    """The block test calls taste-free styles personalised no more often than alpha.

    The published image-level test runs beside it and must be seen to fail here (more than twice
    alpha): worlds in which both tests do well could not tell them apart.
    """
    n_worlds, n_image = (N_QUICK, N_IMAGE_QUICK) if options.quick else (N_WORLDS, N_IMAGE_WORLDS)
    block, image = [], []
    config = simulation.WorldConfig(n_users=N_USERS, n_images=N_IMAGES)
    worlds = simulation.worlds(config, n_worlds, (options.seed, 3))
    for i, (world, rng) in enumerate(worlds):
        board = simulation.random_style(world, rng)
        block.append(block_test(board, rng) <= simulation.ALPHA)
        if i < n_image:
            image.append(image_test(board, rng) <= simulation.ALPHA)
    size, image_size = float(np.mean(block)), float(np.mean(image))
    margin = simulation.binomial_margin(simulation.ALPHA, n_worlds)
    bar = simulation.ALPHA + margin if options.quick else SIZE_BAR
    return ControlResult(
        control="C3",
        title="a random style per user is not called personalised",
        passed=size <= bar and image_size > 2 * simulation.ALPHA,
        measured=f"called personalised {size:.1%} of {n_worlds} worlds "
        f"(image-level test {image_size:.1%} of {n_image})",
        expected=f"<= {bar:.1%} at alpha {simulation.ALPHA} (image-level test > "
        f"{2 * simulation.ALPHA:.0%}: it is known to be wrong here)",
    )


def block_test(board: simulation.SimulatedBoard, rng: np.random.Generator) -> float:
    """P-value of the test that permutes whole users."""
    return stats.user_permutation_test(board.residuals, rng, N_PERMUTATIONS).p_value


def image_test(board: simulation.SimulatedBoard, rng: np.random.Generator) -> float:
    """P-value of the published test, with its median statistic."""
    return stats.image_permutation_test(board.scores, board.owners, rng, N_PERMUTATIONS).p_value
