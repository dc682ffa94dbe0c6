"""What an audit of metrics found, in full precision."""

from __future__ import annotations

import pandas as pd

from persongen_bench.core.config import Config


class Estimate(Config):
    """A number with its 95% interval from resampled users; None where it is undefined."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class MetricAudit(Config):
    """What the truth says about one metric."""

    metric: str
    family: str
    direction: str
    level: str
    over_methods: Estimate
    """Spearman correlation with true taste over the methods' means (anchors included), oriented
    so that 1 is a perfect metric."""
    over_users: Estimate
    """The same over the users of one method, averaged over methods; of ``user`` metrics only."""
    best_honest: float | None
    """Value of the ranked method of the highest true taste."""
    hacked: float | None
    """Value that the metric's own hacker reaches."""
    hacked_taste: float | None
    """True taste that the metric's own hacker reaches."""
    fooled_by: tuple[str, ...]
    """Hackers (by the metric they hack) and anchors that beat the best honest method on this
    metric and lose to it in true taste, both at p <= alpha divided by the number of cheats times
    metrics (Bonferroni), in paired tests over users."""


class Audit(Config):
    """The table, and what it was made of."""

    board: str
    world: dict[str, str | int]
    n_users: int
    methods: dict[str, float]
    """Label => true taste, ranked methods only."""
    anchors: dict[str, float]
    hackers: dict[str, float]
    """Metric hacked => true taste reached."""
    n_candidates: int
    """Candidates that a hacker had for every user."""
    alpha: float
    """Family-wise error rate of all the tests behind ``fooled_by``."""
    rows: tuple[MetricAudit, ...]

    def split(self) -> tuple[list[MetricAudit], list[MetricAudit]]:
        """Metrics with a correlation over methods, the highest first; then those without."""
        known = [row for row in self.rows if row.over_methods.value is not None]
        rest = [row for row in self.rows if row.over_methods.value is None]
        return sorted(known, key=lambda row: -(row.over_methods.value or 0.0)), rest

    def frame(self) -> pd.DataFrame:
        """One line per metric, full precision."""
        lines = []
        for row in self.rows:
            line = row.model_dump(exclude={"over_methods", "over_users", "fooled_by"})
            for name in ("over_methods", "over_users"):
                line |= {f"{name}_{k}": v for k, v in getattr(row, name).model_dump().items()}
            lines.append({**line, "fooled_by": " ".join(row.fooled_by)})
        return pd.DataFrame(lines)
