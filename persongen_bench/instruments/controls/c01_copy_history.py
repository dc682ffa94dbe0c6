"""C1: copying the history wins similarity, loses novelty, and does not top the headline."""

from __future__ import annotations

import pandas as pd

from persongen_bench.instruments.controls.anchored import shared_scores
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult


def run(options: ControlOptions) -> ControlResult:
    """Score all anchors on a small controlled world and look at `copy-history`."""
    return judge(shared_scores(options.seed))


def judge(scores: pd.DataFrame) -> ControlResult:
    """The verdict on a table of metric means (rows: methods)."""
    copy, others = scores.loc["copy-history"], scores.drop(index="copy-history")
    strangers = others.loc[["random-item", "oracle"]]
    passed = (
        copy["copy-rate"] == 1.0
        and copy["copy-rate"] > others["copy-rate"].max()
        and copy["history-similarity"] > strangers["history-similarity"].max()
        and copy["novelty"] < min(0.0, others["novelty"].min())
        and copy["true-taste"] < others["true-taste"].max()
    )
    return ControlResult(
        control="C1",
        title="copying the history wins similarity, loses novelty, does not lead",
        passed=bool(passed),
        measured=f"copy rate {copy['copy-rate']:.2f}, history similarity "
        f"{copy['history-similarity']:.3f} (uncopied at most "
        f"{strangers['history-similarity'].max():.3f}), novelty {copy['novelty']:.3f} (others from "
        f"{others['novelty'].min():.3f}), true taste {copy['true-taste']:.3f} (best "
        f"{others['true-taste'].max():.3f})",
        expected="first on similarity, last on novelty, not first on true taste",
    )
