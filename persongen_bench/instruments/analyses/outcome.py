"""What an analysis finds: arms measured on the same users, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from persongen_bench.rankers.micro import Micro
from persongen_bench.rankers.ranker import RankingData
from persongen_bench.rankers.vbpr import Vbpr
from persongen_bench.stats import Interval, PairedDifference, holm, interval, paired_difference

UNIT = (0.0, 1.0)
"""Range of every measure."""
KINDS: dict[str, type[Micro] | type[Vbpr]] = {"vbpr": Vbpr, "micro": Micro}
"""The rankers to choose from."""
Values = Mapping[str, Float[np.ndarray, "users seeds"]]
"""Measure => one value per user and seed of the ranker."""


@dataclass(frozen=True)
class Gap:
    """Arm ``a`` minus arm ``b`` by one measure, paired by user."""

    measure: str
    a: str
    b: str
    difference: PairedDifference
    adjusted: float
    """p-value after Holm over all gaps of the analysis."""


@dataclass(frozen=True)
class Outcome:
    """The numbers of an analysis."""

    title: str
    notes: tuple[str, ...]
    means: Mapping[tuple[str, str], Interval]
    """Measure and arm => mean over users."""
    gaps: tuple[Gap, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """In order."""
        return tuple(dict.fromkeys(measure for measure, _ in self.means))

    @property
    def arms(self) -> tuple[str, ...]:
        """In order."""
        return tuple(dict.fromkeys(arm for _, arm in self.means))


def fitted(kind: str, data: RankingData, seed: int) -> Micro | Vbpr:
    """A ranker of the kind with its default settings."""
    ranker = KINDS[kind]()
    ranker.fit(data, seed)
    return ranker


def outcome(
    title: str,
    notes: Sequence[str],
    arms: Mapping[str, Values],
    pairs: Sequence[tuple[str, str]],
) -> Outcome:
    """Intervals of every arm and of the named pairs of arms; the same users in the same order."""
    rng = np.random.default_rng(0)
    measures = list(next(iter(arms.values())))
    means = {
        (name, arm): interval(values[name], rng, bounds=UNIT)
        for name in measures
        for arm, values in arms.items()
    }
    found = [
        (name, a, b, paired_difference(arms[a][name], arms[b][name], rng, bounds=UNIT))
        for name in measures
        for a, b in pairs
    ]
    adjusted = holm([difference.p_value for *_, difference in found])
    gaps = [Gap(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]
    return Outcome(title, tuple(notes), means, tuple(gaps))


def text_of(result: Outcome) -> str:
    """Plain text: a table of the arms, one of the gaps, and the notes."""
    lines = [result.title, "", "| arm | " + " | ".join(result.measures) + " |"]
    lines.append("|---" * (1 + len(result.measures)) + "|")
    for arm in result.arms:
        cells = [_mean(result.means[name, arm]) for name in result.measures]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    lines += ["", "| measure | difference | mean | p (Holm) | users |", "|---|---|---|---|---|"]
    for gap in result.gaps:
        d = gap.difference
        mean = f"{d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"
        p_value = "< 0.001" if gap.adjusted < 0.001 else f"{gap.adjusted:.3f}"
        row = (gap.measure, f"{gap.a} - {gap.b}", mean, p_value, str(d.n))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, "", *result.notes])


def _mean(value: Interval) -> str:
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"
