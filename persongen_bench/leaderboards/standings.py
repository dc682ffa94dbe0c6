"""What a table holds, in full precision: the one model that every renderer reads."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from persongen_bench.core.config import Config
from persongen_bench.core.plain import LABEL, plain
from persongen_bench.core.types import Direction
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.published import ReportedTable
from persongen_bench.loop.human import HumanMetric
from persongen_bench.loop.schema import Budget

Label: TypeAlias = Annotated[str, AfterValidator(partial(plain, most=LABEL))]
"""What is printed as the name of something: on one line, all of it visible."""
Text: TypeAlias = Annotated[str, AfterValidator(plain)]
STANDINGS_VERSION = 8
"""Rises whenever `Standings`, and with it the JSON export, changes shape."""


class Cell(Config):
    """Mean over users with its user-clustered 95% interval, in units of the metric."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n_units: int = 0
    """Users for whom the metric is defined."""
    own_judge: bool = False
    """True where the method used this judge's weights in fit or selection."""
    best: bool = False
    """True where no ranked method is significantly better in this column and some one is worse:
    paired tests of all pairs, Holm-adjusted within the column. Never for anchors."""


class Difference(Config):
    """Paired per-user difference, in units of the metric."""

    mean: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    """Holm-adjusted over all pairs of ranked methods, as the tie letters; None for anchors."""
    n_units: int
    minimum_detectable_effect: float | None
    """True difference that would have been found with 80% power."""


class MethodRow(Config):
    """One method, averaged over its seeds."""

    label: str
    """As the run says it: what is printed of it is for who prints it (`core.plain`)."""
    name: str
    distribution: str
    version: str
    anchor: bool
    external: bool
    """True where the images were made elsewhere."""
    local: bool = False
    """True where its code is in no package: defined in a notebook or a script."""
    budget: Budget | None = None
    """Of the search that chose the configuration (`pgbench search`); None: no search did."""
    rank: int | None = None
    """Place on the headline among the ranked methods; None for anchors."""
    rank_low: int | None = None
    """Best place that the data allow."""
    rank_high: int | None = None
    """Worst place that the data allow."""
    group: str = ""
    """Tie letters: two methods that share one are not told apart."""
    cells: dict[str, Cell]
    seeds: tuple[int, ...]
    """With one, the seed is not in any interval or test of the row."""
    seed_sd: float | None = None
    """Standard deviation of the headline's mean over seeds; None with one seed."""
    run_ids: tuple[str, ...]
    code: str
    """Hash of the code that made the images of the runs: of the method, its stack and the loop."""
    n_expected: int
    """Images over all users and seeds."""
    n_ok: int
    states: dict[str, int]
    p_block: float | None = None
    """User-block permutation test; the largest p over seeds (so it holds for each of them)."""
    versus_first: Difference | None = None
    """This row minus the first-ranked method on the headline."""
    cost: dict[str, float] = Field(default_factory=dict)
    """Means over seeds; differs between machines."""
    mark: str = ""
    """What its pictures repeat (`leaderboards.copied`); empty: nothing beyond chance."""

    @property
    def origin(self) -> str:
        """What is printed behind the label: of a row that nobody can make again, or that copies."""
        made = "external" if self.external else "local" if self.local else ""
        return ", ".join(said for said in (made, self.mark) if said)


class HumanColumn(Config):
    """What people said of rows in one study (`leaderboards.people`); it never ranks."""

    metric: HumanMetric
    study: str
    person: Literal["first", "third"]
    direction: Direction
    cells: dict[str, Cell]
    """By label of the row; ``n_units`` are people. Rows that were not judged have none."""

    @property
    def key(self) -> str:
        """What no other column of a table is called."""
        return f"{self.metric}@{self.study}"


class Refusal(Config):
    """A run that does not stand in the table, and why."""

    run: Label
    """Name of its folder."""
    label: Label
    seed: int | None
    reason: Text
    kind: Text
    """The reason without what is the run's own: equal for all that are refused for the same."""


class Standings(Config):
    """One table: everything that ran on the same data, split, stack and metric definitions."""

    schema_version: int = STANDINGS_VERSION
    board: Board
    protocol: dict[str, str | int]
    """What all rows have in common, by printed name."""
    signatures: dict[str, str]
    """Metric name to the definition that all rows share."""
    n_units: int
    n_ranked_units: int
    """Units for which the headline is defined: every ranked method has a value for all of them."""
    methods: tuple[MethodRow, ...]
    """Ranked, first to last."""
    anchors: tuple[MethodRow, ...]
    """Reference lines, by the headline; never ranked."""
    missing: tuple[str, ...]
    """Baselines and anchors of the board that have no run here."""
    refused: tuple[Refusal, ...]
    reported: tuple[ReportedTable, ...]
    """Tables of papers, with every number in its metric's own unit."""
    notes: tuple[str, ...]
    human: tuple[HumanColumn, ...] = ()
    """By metric and study."""
    leaks: tuple[str, ...] = ()
    """What the audit of the split found that all rows share; printed before the table."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of the board that some row has, in column order."""
        return tuple(metric for metric in self.board.metrics if metric in self.signatures)

    @property
    def rows(self) -> tuple[MethodRow, ...]:
        """Methods, then anchors."""
        return self.methods + self.anchors
