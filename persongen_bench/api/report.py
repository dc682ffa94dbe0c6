"""What the commands do with runs once they are made: print, rank, draw, score again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from persongen_bench.api.campaign import Plan
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import expand
from persongen_bench.leaderboards import compare as comparing
from persongen_bench.leaderboards import pictures
from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.cells import OWN_JUDGE
from persongen_bench.leaderboards.gallery import CONTACT_SHEET, draw_contact_sheet
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.leaderboards.render import FORMATS, RenderOptions, render
from persongen_bench.leaderboards.standings import Standings
from persongen_bench.loop.audits import leaks
from persongen_bench.loop.external import Delivery, ingest
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.prepare import Options, load_world
from persongen_bench.loop.run import advance, reopen, rescore
from persongen_bench.loop.run import resume as resume_run
from persongen_bench.loop.store import RunDirectory, RunResults
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import write_atomic

NARROW = 120
"""Characters per line where the output is not a terminal."""


def _width() -> int:
    return Console().width if sys.stdout.isatty() else NARROW


def after_run(
    made: Sequence[RunResults], runs: Path, board: str, metrics: Sequence[str] = ()
) -> None:
    """The leaderboard of the folder, then where the pictures lie."""
    tables = collect(runs, board, metrics)
    sys.stdout.write(render(tables, "table", RenderOptions(width=_width())))
    console = Console(highlight=False, soft_wrap=True)
    for results in made:
        _warn_of_failures(console, results)
    for leak in leaks(json.loads((made[0].path / "provenance.json").read_text())["split audit"]):
        console.print(f"split audit: {escape(leak)}")
    console.print(f"\npictures  {escape(str(made[0].path / CONTACT_SHEET))}")
    for results in made[1:]:
        if not results.config.method.anchor and (results.path / CONTACT_SHEET).exists():
            console.print(f"          {escape(str(results.path / CONTACT_SHEET))}")


def _warn_of_failures(console: Console, results: RunResults) -> None:
    summary = results.summary
    if summary.n_ok < summary.n_expected:
        reasons = results.samples.loc[results.samples["reason"] != "", "reason"].value_counts()
        example = f": {reasons.index[0]}" if len(reasons) else ""
        console.print(
            f"{escape(results.config.method.label)}: {summary.n_expected - summary.n_ok} of "
            f"{summary.n_expected} images were not delivered{escape(example)}"
        )


def print_run(results: RunResults) -> None:
    """One run: its numbers with their intervals."""
    console = Console(highlight=False, soft_wrap=True)
    summary = results.summary
    console.print(f"{escape(str(results.path))}: {summary.n_ok} of {summary.n_expected} images ok")
    wide = max((len(name) for name in (*summary.metrics, *summary.tests)), default=0)
    for name, metric in summary.metrics.items():
        if metric.mean is not None:
            bounds = f"  [{metric.low:.4f}, {metric.high:.4f}]" if metric.low is not None else ""
            mark = f" {OWN_JUDGE} own judge" if metric.own_judge else ""
            console.print(f"{name:<{wide}} {metric.mean:.4f}{escape(bounds)}{mark}")
        elif metric.caveats:
            console.print(f"{name:<{wide}} no number")
        for caveat in metric.caveats:
            console.print(f"{'':<{wide}} {escape(caveat)}", style="dim")
    for name, test in summary.tests.items():
        console.print(f"{name:<{wide}} p = {test.p_value:.4f}")
    _warn_of_failures(console, results)


def resume(path: Path, root: Path | None, execution: Execution, *, rebuild: bool) -> RunResults:
    """Continue a run and draw its picture."""
    directory, world = reopen(path, root, execution)
    results = resume_run(directory, world, execution, rebuild=rebuild)
    draw_contact_sheet(results, world)
    return results


def score_again(
    path: Path, root: Path | None, execution: Execution, metrics: Sequence[str] = ()
) -> RunResults:
    """Score the images of a run by the board's present metrics and others; generates nothing."""
    directory, world = reopen(path, root, execution)
    known = world.dataset.taste is not None
    own = get_board(directory.config.board).metrics_for(known_taste=known)
    others = expand(metrics, world.stack, known_taste=known)
    directory.score_by(tuple(dict.fromkeys((*own, *others))))
    with directory.lock(), fixed_threads(directory.config.threads):
        rescore(directory, world, execution)
    draw_contact_sheet(directory.results(), world)
    return directory.results()


@dataclass(frozen=True)
class Submission:
    """Images made elsewhere, and the data they were made for."""

    folder: Path
    dataset: str
    root: Path | None
    options: Options
    label: str | None
    seed: int


def score_external(submission: Submission, runs: Path, execution: Execution) -> RunResults:
    """Enter a folder with a manifest as a run and score it."""
    plan = Plan(
        methods=(),
        dataset=submission.dataset,
        runs=runs,
        data_options=submission.options,
        root=submission.root,
    )
    world = load_world(plan.world_ref(), execution.progress)
    label = submission.label or submission.folder.resolve().name
    delivery = Delivery(submission.folder, label, submission.seed)
    directory: RunDirectory = ingest(
        delivery, world, plan.protocol(world), runs, execution.progress
    )
    results = advance(directory, world, execution)
    draw_contact_sheet(results, world)
    return results


@dataclass(frozen=True)
class Pictures:
    """Which plots a leaderboard should draw, and where."""

    precision_recall: Path | None = None
    forest: Path | None = None


@dataclass(frozen=True)
class Table:
    """Which table to print, how, and where to."""

    runs: Path
    board: str | None = None
    form: str = "table"
    output: Path | None = None
    metrics: tuple[str, ...] = ()
    """Columns besides the board's own; `ALL`: every metric that a run has."""


def leaderboard(table: Table, plots: Pictures) -> None:
    """Print or write the standings, and draw the plots asked for."""
    form, output = table.form, table.output
    if form not in FORMATS:
        raise ConfigError(f"no format is called {form!r}", fix=f"Use {', '.join(FORMATS)}.")
    tables = collect(table.runs, table.board, table.metrics)
    text = render(tables, form, RenderOptions(width=_width()))
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomic(output, text.encode())
    for path, draw in (
        (plots.precision_recall, pictures.precision_recall_plot),
        (plots.forest, pictures.forest_plot),
    ):
        if path is not None:
            draw(only_table(tables), path)


def only_table(tables: Sequence[Standings]) -> Standings:
    """The table with most rows: what a picture is drawn of."""
    return max(tables, key=lambda table: len(table.rows))


def compare(first: Path, second: Path, form: str) -> None:
    """Print paired differences of two runs."""
    runs = [RunDirectory.open(path).results() for path in (first, second)]
    sys.stdout.write(comparing.render(comparing.compare(*runs), form, _width()))
