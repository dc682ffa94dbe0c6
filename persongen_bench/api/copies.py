"""`pgbench audit copies`: what a run copies, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.loop.copies import ALPHA, Copies, Repeats
from persongen_bench.loop.copying import record_copies
from persongen_bench.loop.evaluation import Evaluation
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import reopen
from persongen_bench.loop.store import RunDirectory

LEAST_P = 1e-12
"""A smaller p is not told from 0."""


@dataclass(frozen=True)
class Searched:
    """A run that was searched for copies."""

    directory: RunDirectory
    evaluation: Evaluation
    copies: Copies

    @property
    def above_chance(self) -> bool:
        """Whether it copies held-out or training pictures more than chance does."""
        return self.copies.of_held_out or self.copies.of_training

    def __str__(self) -> str:
        """A few lines."""
        copies, label = self.copies, self.directory.config.method.label
        if copies.nothing:
            return f"{label}: not searched, {copies.nothing}"
        head = (
            f"{label}: {copies.n_images} images against {copies.n_held_out} held-out and "
            f"{copies.n_training} training pictures"
        )
        parts = {"held-out": copies.held_out, "training": copies.training}
        return "\n".join([head, *(_line(part, copies, of) for part, of in parts.items())])


def audit_copies(run: Path, data: Path | None = None, progress: Progress = no_progress) -> Searched:
    """Search a run for copies of pictures of the data, and keep what was found in its directory.

    Args:
        run: its directory; complete or not.
        data: where its data lie, where that is not known.
        progress: bars.

    Raises:
        PgbenchError: for a run that cannot be opened, or that somebody works on.
    """
    directory, world = reopen(run, data, Execution(progress=progress))
    evaluation = Evaluation.of_run(directory, world, progress)
    with directory.lock():
        return Searched(directory, evaluation, record_copies(directory, evaluation))


def _line(part: str, copies: Copies, repeats: Repeats | None) -> str:
    if repeats is None:
        return f"{part}: nothing to compare with"
    verdict = "above chance" if copies.marked(repeats) else "not above chance"
    chance = f"{repeats.p_value:.2g}" if repeats.p_value >= LEAST_P else f"below {LEAST_P:g}"
    return (
        f"{part}: {repeats.n_images} images ({copies.share(repeats):.1%}) repeat "
        f"{repeats.n_repeated} pictures within {copies.limit:g} grey levels; by chance "
        f"{repeats.n_null_repeats} of {repeats.n_null} do; p {chance}, "
        f"{verdict} at {ALPHA:g}"
    )
