"""C4: what everybody likes is beautiful, and it is not personal."""

from __future__ import annotations

import numpy as np

from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.instruments.controls.tasted import Tasted, shared

NEAR_ZERO = 0.02
"""Own-minus-other gap, in like probability, up to which a method is not personal."""


def run(options: ControlOptions) -> ControlResult:
    """Look at `population-best` on a small tasteworld."""
    return judge(shared(options.seed))


def judge(tasted: Tasted) -> ControlResult:
    """The verdict on the anchors' numbers."""
    beauty = {label: float(np.nanmean(v)) for label, v in tasted.anchors["aesthetic@v2"].items()}
    gap = {label: float(np.nanmean(v)) for label, v in tasted.anchors["taste-gap"].items()}
    passed = beauty["population-best"] > beauty["random-item"]
    passed &= abs(gap["population-best"]) <= NEAR_ZERO and gap["oracle"] > 5 * NEAR_ZERO
    return ControlResult(
        control="C4",
        title="what everybody likes has quality and no personalisation",
        passed=passed,
        measured=f"aesthetic {beauty['population-best']:.2f} (random {beauty['random-item']:.2f}), "
        f"taste gap {gap['population-best']:+.3f} (oracle {gap['oracle']:+.3f})",
        expected=f"aesthetic above random, |gap| <= {NEAR_ZERO}, the oracle's far above it",
    )
