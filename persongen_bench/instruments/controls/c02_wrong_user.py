"""C2: images made for another user's taste must not look personalised."""

from __future__ import annotations

import numpy as np

from persongen_bench import stats
from persongen_bench.instruments.controls import simulation
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

N_WORLDS, N_QUICK = 500, 50
N_PERMUTATIONS = 199
N_USERS, N_IMAGES = 72, 10
EFFECT = 0.5
"""Strength of the conditioning, in sd of the taste term (logits)."""


def run(options: ControlOptions) -> ControlResult:
    """Wrong-user boards have gap ~ 0 and are called personalised no more often than alpha.

    The same worlds with right users must be called personalised in nearly every case: a test
    that never rejects would pass otherwise. The gap may reach ``-gap / (U - 1)`` (see
    `stats.taste_gap`) and three standard errors beyond.
    """
    n_worlds = N_QUICK if options.quick else N_WORLDS
    config = simulation.WorldConfig(n_users=N_USERS, n_images=N_IMAGES)
    wrong, right = [], []
    for world, rng in simulation.worlds(config, n_worlds, (options.seed, 2)):
        wrong.append(_judge(simulation.wrong_user(world, rng, EFFECT), rng))
        right.append(_judge(simulation.personalised(world, rng, EFFECT), rng))
    gap, size = np.mean(wrong, axis=0)
    right_gap, power = np.mean(right, axis=0)
    error = float(np.std(wrong, axis=0, ddof=1)[0] / np.sqrt(n_worlds))
    gap_bar = right_gap / (config.n_users - 1) + 3 * error
    size_bar = simulation.ALPHA + simulation.binomial_margin(simulation.ALPHA, n_worlds)
    return ControlResult(
        control="C2",
        title="images made for the wrong user are not called personalised",
        passed=bool(abs(gap) <= gap_bar and size <= size_bar and power >= 0.95),
        measured=f"gap {gap:+.4f} (right users {right_gap:+.4f}), called personalised "
        f"{size:.1%} (right users {power:.1%}) of {n_worlds} worlds",
        expected=f"|gap| <= {gap_bar:.4f}, called personalised <= {size_bar:.1%} "
        "(right users >= 95%)",
    )


def _judge(board: simulation.SimulatedBoard, rng: np.random.Generator) -> tuple[float, bool]:
    """Mean own-minus-other gap, and whether the block test calls the board personalised."""
    matrix = board.residuals
    result = stats.user_permutation_test(matrix, rng, N_PERMUTATIONS)
    return float(stats.taste_gap(matrix).mean()), result.p_value <= simulation.ALPHA
