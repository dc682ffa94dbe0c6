"""C10: too few images are refused or flagged; estimators called unbiased are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persongen_bench.core.metric import caveats_of
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.metrics import cmmd, kid
from persongen_bench.testing.toy_scores import toy_score_context

N_WORLDS, N_QUICK = 400, 100
SIZES = (8, 25, 100)
N_REFERENCE, DIMENSION = 120, 24
REFUSED, FLAGGED = "fd@judge_encoder", "fid@clean"
"""On the toy world's 24 images: 32 dimensions are too many for them, three are not."""


@dataclass(frozen=True)
class Bias:
    """Mean of an estimate whose truth is 0, in standard errors, over simulated worlds."""

    estimator: str
    n: int
    z: float


def run(options: ControlOptions) -> ControlResult:
    """Estimate distances between two samples of one distribution, of few images and of more."""
    biases = simulate(N_QUICK if options.quick else N_WORLDS, options.seed)
    context = toy_score_context()
    refused = bool(parse_metric(REFUSED).per_unit(context).isna().all())
    flags = [caveats_of(parse_metric(name), context) for name in (REFUSED, FLAGGED)]
    return judge(biases, refused=refused, flagged=all(flags))


def simulate(n_worlds: int, seed: int) -> list[Bias]:
    """The bias of every estimator at every size, in standard errors of its mean over worlds."""
    rng = np.random.default_rng([seed, 10])
    estimators = {
        "CMMD-U": lambda x, y: cmmd(x, y, "u"),
        "CMMD-V": lambda x, y: cmmd(x, y, "v"),
        "KID": kid,
    }
    estimates: dict[tuple[str, int], list[float]] = {}
    for _ in range(n_worlds):
        reference = rng.normal(size=(N_REFERENCE, DIMENSION))
        for n in SIZES:
            images = rng.normal(size=(n, DIMENSION))
            for name, estimate in estimators.items():
                estimates.setdefault((name, n), []).append(estimate(images, reference))
    return [Bias(name, n, _z(values)) for (name, n), values in estimates.items()]


def _z(values: list[float]) -> float:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) / error)


def judge(biases: list[Bias], *, refused: bool, flagged: bool) -> ControlResult:
    """Unbiased ones within 3.5 standard errors: six looks, and a false alarm in 400 seeds."""
    unbiased = [b for b in biases if b.estimator != "CMMD-V"]
    biased = [b for b in biases if b.estimator == "CMMD-V"]
    sound = all(abs(b.z) <= 3.5 for b in unbiased) and all(b.z > 5 for b in biased)
    figures = ", ".join(f"{b.estimator} at n={b.n}: {b.z:+.1f} se" for b in biases)
    said = f"{REFUSED} on too few images {'refused' if refused else 'NOT refused'}"
    return ControlResult(
        control="C10",
        title="too few images are refused or flagged, unbiased estimators are unbiased",
        passed=sound and refused and flagged,
        measured=f"{figures}; {said}, {'both' if flagged else 'not both'} flagged",
        expected="CMMD-U and KID within 3.5 se of 0, CMMD-V far above; refused; flagged",
    )
