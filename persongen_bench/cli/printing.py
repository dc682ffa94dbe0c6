"""What the commands print of runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from persongen_bench.api.runs import Run
from persongen_bench.api.tables import Leaderboard
from persongen_bench.leaderboards.cells import OWN_JUDGE
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.leaderboards.render import RenderOptions, render
from persongen_bench.loop.audits import leaks

NARROW = 120
"""Characters per line where the output is not a terminal."""


def width() -> int:
    """Characters per line."""
    return Console().width if sys.stdout.isatty() else NARROW


def notice(line: str | None) -> None:
    """One line on standard error, where there is something to say."""
    if line is not None:
        sys.stderr.write(f"{line}\n")


def after_run(made: Sequence[Run], runs: Path, board: str, metrics: Sequence[str] = ()) -> None:
    """The leaderboard of the folder, then where the pictures lie."""
    tables = collect(runs, board, metrics)
    sys.stdout.write(render(tables, "table", RenderOptions(width=width())))
    console = _console()
    for one in made:
        _warn_of_failures(console, one)
    provenance = json.loads((made[0].path / "provenance.json").read_text(encoding="utf-8"))
    for audit in ("split audit", "request audit"):
        for leak in leaks(provenance.get(audit, [])):
            console.print(f"{audit}: {escape(leak)}")
    drawn = [one.contact_sheet for one in made[:1]]
    drawn += [one.contact_sheet for one in made[1:] if not one.config.method.anchor]
    drawn = [path for path in drawn if path.exists()] + Leaderboard(tables, runs).draw_requests()
    for place, sheet in enumerate(drawn):
        lead = "\npictures  " if place == 0 else "          "
        console.print(f"{lead}{escape(str(sheet))}")


def print_run(made: Run) -> None:
    """One run: its numbers with their intervals."""
    console, summary = _console(), made.summary
    console.print(
        f"{escape(str(made.path))}: {summary.n_ok} of {summary.n_expected} {made.config.output}s ok"
    )
    for note in summary.notes:
        console.print(escape(note))
    units = made.scores["unit"].nunique()
    wide = max((len(name) for name in (*summary.metrics, *summary.tests)), default=0)
    for name, metric in summary.metrics.items():
        if metric.mean is not None:
            bounds = f"  [{metric.low:.4f}, {metric.high:.4f}]" if metric.low is not None else ""
            mark = f" {OWN_JUDGE} own judge" if metric.own_judge else ""
            few = f" (n={metric.n_units})" if metric.n_units < units else ""
            console.print(f"{name:<{wide}} {metric.mean:.4f}{few}{escape(bounds)}{mark}")
        elif metric.caveats:
            console.print(f"{name:<{wide}} no number")
        for caveat in metric.caveats:
            console.print(f"{'':<{wide}} {escape(caveat)}", style="dim")
    for name, test in summary.tests.items():
        console.print(f"{name:<{wide}} p = {test.p_value:.4f}")
    _warn_of_failures(console, made)


def _warn_of_failures(console: Console, made: Run) -> None:
    summary = made.summary
    if summary.n_ok < summary.n_expected:
        reasons = made.samples.loc[made.samples["reason"] != "", "reason"].value_counts()
        example = f": {reasons.index[0]}" if len(reasons) else ""
        console.print(
            f"{escape(made.label)}: {summary.n_expected - summary.n_ok} of "
            f"{summary.n_expected} {made.config.output}s were not delivered{escape(example)}"
        )


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
