"""C6: whoever hacks a metric tops that metric, and not the headline."""

from __future__ import annotations

import numpy as np

from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.instruments.controls.tasted import HACKED, Tasted, shared

HEADLINES = ("true-taste", "taste-gap")


def run(options: ControlOptions) -> ControlResult:
    """Let hackers work on a small tasteworld."""
    return judge(shared(options.seed))


def judge(tasted: Tasted) -> ControlResult:
    """Every hacker is above the anchors on its metric, and below the oracle on the headlines.

    The oracle is no measure for the hackers' own metrics: it answers with the held-out pictures
    that some of them compare with.
    """
    tops, figures = [], []
    for metric in HACKED:
        own = float(np.nanmean(tasted.hackers[metric][metric]))
        others = (v for label, v in tasted.anchors[metric].items() if label != "oracle")
        best = max(float(np.nanmean(v)) for v in others)
        tops.append(own > best)
        figures.append(f"{metric} {own:.2f} (anchors {best:.2f})")
    reached = {m: max(float(np.nanmean(tasted.hackers[m][h])) for h in HACKED) for m in HEADLINES}
    oracle = {m: float(np.nanmean(tasted.anchors[m]["oracle"])) for m in HEADLINES}
    figures += [f"{m} at most {reached[m]:.2f} (oracle {oracle[m]:.2f})" for m in HEADLINES]
    return ControlResult(
        control="C6",
        title="a metric hacker tops what it hacks and never the headline",
        passed=all(tops) and all(reached[m] < oracle[m] for m in HEADLINES),
        measured=", ".join(figures),
        expected="above every other anchor on its own metric, below the oracle on taste and gap",
    )
