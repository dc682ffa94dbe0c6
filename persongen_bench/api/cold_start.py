"""The cold-start track: how good are methods for a new user of whom k ratings are known?

For every k the tested people keep their first k ratings in the training part (`datasets.supports`);
the rest of the loop is as always. Methods that can adapt are fitted once without these people and
then adapted (`newcomers`); every other method is fitted on the others' ratings and the k of the
new. Who cannot serve a user with nothing known fails there, and that counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Unpack

import pandas as pd

from persongen_bench.api import campaign as campaigns
from persongen_bench.api.attempts import make
from persongen_bench.api.campaign import Campaign
from persongen_bench.api.local import as_choice
from persongen_bench.api.settings import Settings, campaign_of, execution_of
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Method
from persongen_bench.core.metric_cards import expand, parse_metric
from persongen_bench.datasets.supports import MARK, SUPPORTS
from persongen_bench.leaderboards.board import ALL, Board, board_for, boards_of
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.curves import Curve, by_area, curve, curve_plot, document
from persongen_bench.leaderboards.ranking import widened
from persongen_bench.leaderboards.rows import declared_range, seed_values, side_by_side
from persongen_bench.loop.choice import MethodChoice, check_chosen
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.run import Job
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import World, load_world
from persongen_bench.util.files import write_atomic
from persongen_bench.util.said import whole
from persongen_bench.util.spreadsheet import csv_bytes

TRACK = "cold-start"
CSV, JSON, PLOTS = "cold-start.csv", "cold-start.json", ("cold-start.png", "cold-start.svg")


@dataclass(frozen=True)
class ColdStart:
    """Every run of the track on one data set, and what follows from them."""

    made: tuple[ColdRun, ...]
    metrics: tuple[str, ...] = ()
    """Besides the headline."""

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
        """The curves of a metric, default the headline, best first."""
        column = self.board.column(metric or self.board.headline)
        higher = column.direction != "lower"
        return by_area(curves_of(self.made, column.metric), higher_is_better=higher)

    def save(self, folder: str | Path) -> Path:
        """Scores as CSV, curves as JSON, those of the headline as PNG and SVG; the folder."""
        folder, headline = Path(folder), self.board.headline
        write_atomic(folder / CSV, csv_bytes(self.scores))
        others = [document(self.curves(name), name) for name in self.others]
        summary = document(self.curves(), headline) | ({"others": others} if others else {})
        write_atomic(folder / JSON, json.dumps(summary, indent=1).encode())
        for name in PLOTS:
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


def cold_start(
    methods: Sequence[str | Method | type[Method] | MethodChoice],
    dataset: str = "tasteworld",
    *,
    known: Sequence[int] = SUPPORTS,
    **settings: Unpack[Settings],
) -> ColdStart:
    """How good methods are for new users of whom k ratings are known, for each k of ``known``.

    Args:
        methods: as `run_many` takes them.
        dataset: a registered name; one without splits for cold start of its own gets them, see
            `datasets.supports.with_new_people`.
        known: numbers of ratings that a method may know of every tested user.
        settings: see `Settings`; ``split`` names the split that is cut.

    Raises:
        ConfigError: if the data cannot be divided so, or a method or metric lacks a model.
    """
    campaign = campaign_of(tuple(as_choice(method) for method in methods), dataset, settings)
    for name, own in (("board", board_of(dataset).name), ("track", TRACK)):
        if settings.get(name, own) not in (None, own):
            raise ConfigError(
                f"cold start has the {name} {own}, not {settings.get(name)}", fix="Leave it out."
            )
    with execution_of(settings) as execution:
        return ColdStart(tuple(execute(campaign, execution, known)), campaign.metrics)


def execute(
    campaign: Campaign, execution: Execution, sizes: Sequence[int] = SUPPORTS
) -> Iterator[ColdRun]:
    """Make every run of the track, support by support; runs that are done are not made again.

    ``campaign.split`` names the split that is cut; None: the board's, else the data set's first
    that can be.

    Raises:
        ConfigError: if the data set has no split that can be cut, or not to one of ``sizes``, or if
            the stack lacks what a method needs.
    """
    board = board_of(campaign.dataset)
    for k in sizes:
        whole("known", k, 0)
    campaign = replace(campaign, board_name=board.name, track=None)
    world = load_world(replace(campaign.world_ref(), split=None), execution.progress)
    split = campaign.split or (board.split if board.split in world.dataset.cuts else None)
    worlds = [(k, _cut(world, split, k)) for k in sorted(set(sizes))]
    asked = campaigns.choices(campaign)
    todo = [(made, anchor) for choice, anchor in asked for made in _heads(choice)]
    terms = _terms(campaign, board, world)
    for _, cut in worlds:
        check_chosen([choice for choice, _ in todo], cut.dataset.revision, cut.split.hash)
    check_needs(world.stack, terms, [choice for choice, _ in todo], world.dataset)
    for k, cut in worlds:
        for choice, anchor in todo:
            for seed in campaign.seeds:
                job = Job(cut, terms, choice, seed, anchor, campaign.threads)
                yield ColdRun(k, make(job, campaign.runs, execution))


def board_of(dataset: str) -> Board:
    """The board of the track for a data set; the data set's own where there is none."""
    return next(iter(boards_of(dataset, TRACK)), None) or board_for(dataset)


def curves_of(made: Sequence[ColdRun], metric: str) -> list[Curve]:
    """A curve per method label, with bands over units and seeds.

    Raises `ConfigError` where a method lacks one of the supports.
    """
    sizes = sorted({cold.k for cold in made})
    units = sorted({str(user) for cold in made for user in cold.results.scores["unit"]})
    bounds = declared_range(Column(metric=metric, range=parse_metric(metric).info.range))
    labels = dict.fromkeys(cold.results.config.method.label for cold in made)
    curves = []
    for label in labels:
        own = [cold for cold in made if cold.results.config.method.label == label]
        missing = set(sizes) - {cold.k for cold in own}
        if missing:
            raise ConfigError(f"{label}: no run with a support of {min(missing)}", fix="Run it.")
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


def _cut(world: World, name: str | None, k: int) -> World:
    """The world with the split ``name``, cut to ``k`` ratings of every tested user."""
    cuts = world.dataset.cuts
    if name is not None and name.split(MARK)[0] not in cuts:
        raise ConfigError(
            f"data set {world.dataset.name} has no split {name!r} that can be cut",
            fix=f"Splits that are cut: {', '.join(cuts)} (or leave --split out).",
        )
    chosen = world.dataset.cut_of(name or next(iter(cuts)), k)
    split = world.dataset.split(chosen, world.ref.split_seed)
    if split.test.empty:
        raise ConfigError(
            f"data set {world.dataset.name} cannot be divided for cold start: nobody of the new "
            f"people rated one of the held-out items (split {chosen}, seed {split.seed})",
            fix="It takes more users and ratings, or another --split-seed.",
        )
    return replace(world, ref=replace(world.ref, split=chosen), split=split)


def _heads(choice: MethodChoice) -> list[MethodChoice]:
    """The choice, or one for each way in which the method takes in newcomers, if none is said."""
    heads = facts_of(choice).heads
    if not heads or any(set(head) & set(choice.options) for head in heads):
        return [choice]
    return [replace(choice, options={**choice.options, **head}) for head in heads]


def _terms(campaign: Campaign, board: Board, world: World) -> Terms:
    """The board's headline and taste, and what was asked for: every support is a run of its own."""
    terms, known = campaign.terms(world), world.dataset.taste is not None
    asked = expand(campaign.metrics, world.stack, known_taste=known)
    wanted = {board.headline, board.taste, *asked}
    kept = tuple(name for name in terms.metrics if name in wanted)
    return replace(terms, track=TRACK, metrics=kept)
