"""`pgbench study analyze | power | export`: parses, calls, prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.util.printed import say, show

study_analysis_app = typer.Typer()
Study = Annotated[Path, typer.Argument(help="Folder of the study.")]


@study_analysis_app.command()
def analyze(
    study: Study,
    answers: Annotated[
        list[Path] | None,
        typer.Option(help="A file of downloaded answers; repeatable. [default: the server's]"),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the judged runs: link their metrics to choices.")
    ] = None,
    into_runs: Annotated[
        Path | None,
        typer.Option(help="Folder of the judged runs: write the results into them, for boards."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="table, markdown, latex, csv, json or html.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", help="Write to a file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw strengths (PNG, PDF or SVG).")] = None,
) -> None:
    """Who is excluded and why, strengths, win rates, ranks, agreement, each over people."""
    from persongen_bench.api import study_analysis as api
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.figures import require_drawable
    from persongen_bench.leaderboards.render import require_format
    from persongen_bench.study.analysis.figure import strengths_plot
    from persongen_bench.study.analysis.into_runs import left_out
    from persongen_bench.study.analysis.report import render
    from persongen_bench.util.files import writable_file, write_atomic

    require_format(form)
    if plot is not None:
        require_drawable(plot)
    for place in (output, plot):
        if place is not None:
            writable_file(place)
    found = api.analyze_study(study, answers or (), runs)
    if output is None:
        show(render(found, form, width()), form)
    else:
        write_atomic(output, render(found, form).encode())
    if plot is not None:
        strengths_plot(found, plot)
    if into_runs is not None:
        why = left_out(found)
        n_runs = len(api.into_runs(found, into_runs))
        say(f"{n_runs} runs hold what people said{f' ({why})' if why else ''}.")


@study_analysis_app.command()
def power(
    pairs: Annotated[
        int, typer.Option(min=1, help="Comparisons of each two methods by each person.")
    ] = 10,
    ties: Annotated[float, typer.Option(help="Share of the comparisons that are ties.")] = 0.15,
    between: Annotated[
        float, typer.Option(help="Standard deviation over people of a person's own win share.")
    ] = 0.1,
    share: Annotated[
        list[float] | None, typer.Option(help="Win share to find; repeatable.")
    ] = None,
    people: Annotated[list[int] | None, typer.Option(help="Repeatable.")] = None,
    methods: Annotated[
        int, typer.Option(min=2, help="Methods of the study: p is adjusted over all their pairs.")
    ] = 2,
) -> None:
    """How many people a study needs to tell two methods apart."""
    from persongen_bench.api.study_analysis import PEOPLE, SHARES, first_step, power_table
    from persongen_bench.cli.screen import width
    from persongen_bench.leaderboards.terminal import plain_table
    from persongen_bench.stats.choice_power import MOST_PEOPLE, Asked

    asked, counts = Asked(pairs=pairs, ties=ties, between=between), people or list(PEOPLE)
    rows = [
        (f"{win:.0%}", *(f"{one:.2f}" for one in found), str(needed or f"> {MOST_PEOPLE}"))
        for win, found, needed in power_table(asked, share or SHARES, counts, methods)
    ]
    header = ("win share", *(f"{n} people" for n in counts), "needed for 0.8")
    show(plain_table(header, rows, width()))
    n_pairs = math.comb(methods, 2)
    say(
        f"{pairs} comparisons of each two methods by each person, {pairs * n_pairs} in all; one "
        f"test at alpha {first_step(methods):.3g} (0.05 over {n_pairs} pairs: Holm's first step)."
    )


@study_analysis_app.command()
def export(
    study: Study,
    to: Annotated[str, typer.Option(help="label-studio or potato.")],
    out: Annotated[Path, typer.Option("--out", help="New folder.")],
) -> None:
    """Write the trials for another tool; the pictures stay where they are."""
    from persongen_bench.api.study_analysis import export_for

    for file in export_for(study, to, out):
        say(str(file))
