"""What the commands print of runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from persongen_bench.api.ledger import HEADER, Ledger
from persongen_bench.api.runs import Run
from persongen_bench.api.tables import Leaderboard
from persongen_bench.cli.screen import width
from persongen_bench.core.errors import RunError
from persongen_bench.core.plain import LABEL, plain, plain_lines
from persongen_bench.leaderboards.cells import OWN_JUDGE
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.leaderboards.render import RenderOptions, render
from persongen_bench.leaderboards.terminal import plain_table
from persongen_bench.loop.audits import leaks
from persongen_bench.loop.schema import TestSummary
from persongen_bench.util.printed import console as _console
from persongen_bench.util.printed import say, show


def notice(line: str | None) -> None:
    """One line on standard error, where there is something to say."""
    if line is not None:
        say(line, sys.stderr)


def after_run(made: Sequence[Run], runs: Path, board: str, metrics: Sequence[str] = ()) -> None:
    """The leaderboard of the folder, then where the pictures lie.

    Where no run can be ranked, such as with a headline that is undefined for everybody, why; then
    the numbers that the runs do have.
    """
    try:
        tables = collect(runs, board, metrics)
    except RunError as error:
        notice(str(error))
        for one in made:
            print_run(one)
        return
    show(render(tables, "table", RenderOptions(width=width())))
    console = _console()
    for one in [one for one in made if one.config.permute] or made[:1]:
        print_tests(console, one)
    for one in made:
        _warn_of_failures(console, one)
    provenance = json.loads((made[0].path / "provenance.json").read_text(encoding="utf-8"))
    for leak in leaks(provenance.get("request audit", [])):
        console.print(f"request audit: {plain(leak)}")
    drawn = [one.contact_sheet for one in made[:1]]
    drawn += [one.contact_sheet for one in made[1:] if not one.config.method.anchor]
    drawn = [path for path in drawn if path.exists()] + Leaderboard(tables, runs).draw_requests()
    for place, sheet in enumerate(drawn):
        lead = "\npictures  " if place == 0 else "          "
        console.print(f"{lead}{plain_lines(str(sheet))}")


def print_ledger(ledger: Ledger) -> None:
    """What was and was not done, where that is not everything."""
    if not ledger.whole:
        rows = [tuple(plain(cell) for cell in row) for row in ledger.rows()]
        show(f"\n{plain_table(HEADER, rows, width())}")


def print_run(made: Run) -> None:
    """One run: its numbers with their intervals."""
    console, summary = _console(), made.summary
    ok = f"{summary.n_ok} of {summary.n_expected} {made.config.output}s ok"
    console.print(f"{plain_lines(str(made.path))}: {ok}")
    for note in summary.notes:
        console.print(plain(note))
    units = made.scores["unit"].nunique()
    wide = max(map(len, summary.metrics), default=0)
    for key, metric in summary.metrics.items():
        name = plain(key, LABEL)
        if metric.mean is not None:
            bounds = f"  [{metric.low:.4f}, {metric.high:.4f}]" if metric.low is not None else ""
            mark = f" {OWN_JUDGE} own judge" if metric.own_judge else ""
            few = f" (n={metric.n_units})" if metric.n_units < units else ""
            console.print(f"{name:<{wide}} {metric.mean:.4f}{few}{bounds}{mark}")
        elif metric.caveats:
            console.print(f"{name:<{wide}} no number")
        for caveat in metric.caveats:
            console.print(f"{'':<{wide}} {plain(caveat)}", style="dim")
    print_tests(console, made)
    _warn_of_failures(console, made)


TESTED = ("permutation test by", "permuted", "reading", "images", "statistic", "null mean",
          "null sd", "z", "p")  # fmt: skip
"""Columns of the table of tests; the first three are words, the others numbers."""


def print_tests(console: Console, made: Run) -> None:
    """The permutation tests of a run, a line each; and which of those asked for could not be."""
    tests = made.summary.tests
    if tests:
        console.print(f"\n{plain(made.label, LABEL)}")
        rows = [TESTED, *(_tested(name, test) for name, test in tests.items())]
        wide = [max(len(row[k]) for row in rows) for k in range(len(TESTED))]
        for row in rows:
            cells = [f"{cell:<{n}}" if k < 3 else f"{cell:>{n}}"
                     for k, (cell, n) in enumerate(zip(row, wide, strict=True))]  # fmt: skip
            console.print(plain_lines("  ".join(cells).rstrip()))
    for said in made.config.permute:
        if f"permutation.block@{said}" not in tests:
            console.print(f"no test by {plain(said)}: it scores fewer than two users with images")


def _tested(name: str, test: TestSummary) -> tuple[str, ...]:
    """A row of `TESTED`; tests of before version 5 kept statistic and p only."""
    whole = "users" if name.startswith("permutation.block") else "images"
    null = None if test.null is None else (test.null.mean, test.null.sd)
    return (
        test.instrument or "-", whole, test.reading or "-",
        "-" if test.n_images is None else str(test.n_images), _short(test.statistic),
        *(("-", "-") if null is None else map(_short, null)),
        "-" if test.z is None else f"{test.z:+.2f}", f"{test.p_value:.4f}",
    )  # fmt: skip


def _short(value: float) -> str:
    """Four decimals; of what would be printed as nothing, the size."""
    return f"{value:.0e}" if 0 < abs(value) < 5e-5 else f"{value:.4f}"


def _warn_of_failures(console: Console, made: Run) -> None:
    summary = made.summary
    if summary.n_ok < summary.n_expected:
        reasons = made.samples.loc[made.samples["reason"] != "", "reason"].value_counts()
        example = f": {reasons.index[0]}" if len(reasons) else ""
        console.print(
            f"{plain(made.label, LABEL)}: {summary.n_expected - summary.n_ok} of "
            f"{summary.n_expected} {made.config.output}s were not delivered{plain(example)}"
        )
