"""C5: held-out likes are on top of every taste metric."""

from __future__ import annotations

import pandas as pd

from persongen_bench.instruments.controls.anchored import shared_scores
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult

TASTE = ("true-taste", "taste-gap", "precision@1", "precision@20")


def run(options: ControlOptions) -> ControlResult:
    """Score all anchors on a small controlled world and look at `oracle`."""
    return judge(shared_scores(options.seed))


def judge(scores: pd.DataFrame) -> ControlResult:
    """The verdict on a table of metric means (rows: methods)."""
    table = scores[list(TASTE)]
    oracle, others = table.loc["oracle"], table.drop(index="oracle")
    on_top = (oracle >= others.max() - 1e-9).all()
    clear = (oracle > table.loc["random-item"] + 0.1).all()
    figures = ", ".join(f"{m} {oracle[m]:.3f} (next {others[m].max():.3f})" for m in TASTE)
    return ControlResult(
        control="C5",
        title="the oracle is on top of every taste metric",
        passed=bool(on_top and clear),
        measured=figures,
        expected="at least every other method, and clearly above random",
    )
