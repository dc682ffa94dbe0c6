"""`pgbench rehearse`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persongen_bench.cli import options
from persongen_bench.util.execution import THREADS
from persongen_bench.util.printed import say

if TYPE_CHECKING:
    from persongen_bench.instruments.rehearsal.rehearse import Report

rehearse_app = typer.Typer()


@rehearse_app.command("rehearse")
def rehearse(
    stack: Annotated[str, typer.Option(help="sd15 or sdxl.")] = "sd15",
    users: Annotated[int, typer.Option(min=1, help="Simulated people.")] = 1,
    images: Annotated[int, typer.Option(min=1, help="Images per user.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 2,
    tiny: Annotated[bool, typer.Option(help="Narrow networks of the same layout.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Keep the random weights here.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Numerical threads.")] = THREADS,
    lora: options.Lora = None,
) -> None:
    """Run a published stack with random weights through the whole loop; downloads nothing."""
    from persongen_bench.instruments.rehearsal.rehearse import Rehearsal
    from persongen_bench.instruments.rehearsal.rehearse import rehearse as perform
    from persongen_bench.util.progress import bars

    rehearsal = Rehearsal(
        stack, users, images, steps, tiny=tiny, folder=folder, threads=threads, lora=lora
    )
    with bars() as progress:
        report = perform(rehearsal, progress)
    for line in lines(report):
        say(line)


def lines(report: Report) -> list[str]:
    """The report in words: what was measured, and every file with its size."""
    size = "tiny" if report.rehearsal.tiny else "full-size"
    text = [f"rehearsal of {report.rehearsal.stack}: {size} random weights, the whole loop"]
    text += [f"  {key.replace('_', ' '):<28}{_shown(value)}" for key, value in report.facts.items()]
    text.append("files of the stack: published bytes, bytes written here")
    for label, written, published in report.files:
        known = "not known" if published is None else f"{published:,}"
        text.append(f"  {known:>14} {written:>14,}  {label}")
    total = sum(published or 0 for _, _, published in report.files)
    text.append(f"  {total:>14,} {sum(written for _, written, _ in report.files):>14,}  in all")
    text.append("the weights are random: the pictures are noise, and their scores are not shown")
    return text


def _shown(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
