"""What the runs of the cold-start track say: scores, and a curve for every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from persongen_bench.api.ledger import Ledger
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.plain import json_text
from persongen_bench.leaderboards.board import ALL, Board, board_for, boards_of
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.curves import Curve, by_area, curve, curve_plot, document
from persongen_bench.leaderboards.ranking import widened
from persongen_bench.leaderboards.rows import declared_range, seed_values, side_by_side
from persongen_bench.loop.results import RunResults
from persongen_bench.util.files import write_atomic
from persongen_bench.util.spreadsheet import csv_bytes

TRACK = "cold-start"
CSV, JSON, PLOTS = "cold-start.csv", "cold-start.json", ("cold-start.png", "cold-start.svg")


@dataclass(frozen=True)
class ColdStart:
    """Every run of the track on one data set, and what follows from them."""

    made: tuple[ColdRun, ...]
    metrics: tuple[str, ...] = ()
    """Besides the headline."""
    known: tuple[int, ...] = ()
    """Every number of ratings that was asked for; empty: those of ``made``."""
    ledger: Ledger = field(default_factory=Ledger)
    """What was and was not made."""

    @cached_property
    def board(self) -> Board:
        """Its board, with columns for the other metrics."""
        results = [cold.results for cold in self.made]
        return widened(board_of(results[0].config.dataset.name), results, self.metrics)

    @property
    def scores(self) -> pd.DataFrame:
        """Every score: ``method, anchor, seed, k, unit, metric, value, signature``."""
        return scores_of(self.made)

    def curves(self, metric: str | None = None) -> list[Curve]:
        """The curves of a metric, default the headline, best first; none for `unfinished` ones."""
        column = self.board.column(metric or self.board.headline)
        higher = column.direction != "lower"
        return by_area(curves_of(self.made, column.metric, self.known), higher_is_better=higher)

    @property
    def unfinished(self) -> dict[str, tuple[int, ...]]:
        """Methods without a curve, and the numbers of ratings with which runs of theirs lack."""
        return unfinished(self.made, self.known)

    def save(self, folder: str | Path) -> Path:
        """Scores as CSV, curves as JSON, those of the headline as PNG and SVG; the folder."""
        folder, headline = Path(folder), self.board.headline
        write_atomic(folder / CSV, csv_bytes(self.scores))
        others = [document(self.curves(name), name) for name in self.others]
        summary = document(self.curves(), headline) | ({"others": others} if others else {})
        summary |= {"unfinished": self.unfinished} if self.unfinished else {}
        write_atomic(folder / JSON, json_text(summary).encode())
        for name in PLOTS if self.curves() else ():
            curve_plot(self.curves(), self.board.column(headline), folder / name)
        return folder

    @property
    def others(self) -> tuple[str, ...]:
        """The metrics asked for that every run has, but for the headline."""
        held = set.intersection(*({*cold.results.summary.metrics} for cold in self.made))
        asked = held if ALL in self.metrics else held & set(self.metrics)
        return tuple(sorted(asked - {self.board.headline}))


@dataclass(frozen=True)
class ColdRun:
    """One run of the track: what a method made with ``k`` ratings known of every tested user."""

    k: int
    results: RunResults


def board_of(dataset: str) -> Board:
    """The board of the track for a data set; the data set's own where there is none."""
    return next(iter(boards_of(dataset, TRACK)), None) or board_for(dataset)


def unfinished(made: Sequence[ColdRun], sizes: Sequence[int] = ()) -> dict[str, tuple[int, ...]]:
    """Label => supports, of ``sizes`` or those of any run, that one of its seeds lacks."""
    sizes = sorted({*sizes} or {cold.k for cold in made})
    seeds: dict[str, dict[int, set[int]]] = {}
    for cold in made:
        config = cold.results.config
        seeds.setdefault(config.method.label, {}).setdefault(config.seed, set()).add(cold.k)
    missing = {
        label: tuple(k for k in sizes if any(k not in there for there in of_seed.values()))
        for label, of_seed in seeds.items()
    }
    return {label: lacking for label, lacking in missing.items() if lacking}


def curves_of(made: Sequence[ColdRun], metric: str, sizes: Sequence[int] = ()) -> list[Curve]:
    """A curve per method label, with bands over units and seeds; none for `unfinished` ones."""
    sizes = sorted({*sizes} or {cold.k for cold in made})
    units = sorted({str(user) for cold in made for user in cold.results.scores["unit"]})
    bounds = declared_range(Column(metric=metric, range=parse_metric(metric).info.range))
    labels = dict.fromkeys(cold.results.config.method.label for cold in made)
    curves = []
    for label in [label for label in labels if label not in unfinished(made, sizes)]:
        own = [cold for cold in made if cold.results.config.method.label == label]
        by_seed = sorted(own, key=lambda cold: cold.results.config.seed)
        values = [
            seed_values([cold.results for cold in by_seed if cold.k == k], metric, units)
            for k in sizes
        ]
        anchor = own[0].results.config.method.anchor
        made_curve = curve(label, side_by_side(values), sizes, anchor=anchor, bounds=bounds)
        curves.append(made_curve)
    return curves


def scores_of(made: Sequence[ColdRun]) -> pd.DataFrame:
    """Every score: columns ``method, anchor, seed, k, unit, metric, value, signature``."""
    parts = []
    for cold in made:
        config = cold.results.config
        facts = {
            "method": config.method.label,
            "anchor": config.method.anchor,
            "seed": config.seed,
            "k": cold.k,
        }
        scores = cold.results.scores
        parts.append(pd.DataFrame({**{k: [v] * len(scores) for k, v in facts.items()}, **scores}))
    return pd.concat(parts, ignore_index=True)
