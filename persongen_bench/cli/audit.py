"""`pgbench audit`: parses, calls, prints."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from persongen_bench.util.printed import console, say


class RankerChoice(StrEnum):
    """The ranking models of the analyses."""

    vbpr = "vbpr"
    micro = "micro"


class AspectChoice(StrEnum):
    """What topics are of."""

    content = "content"
    style = "style"


audit_app = typer.Typer(no_args_is_help=True, help="Put the benchmark's own instruments to test.")


@audit_app.command("metrics")
def metrics(
    runs: Annotated[Path, typer.Option(help="Folder of the run directories.")] = Path("runs"),
    board: Annotated[str, typer.Option(help="Board of a world of known taste.")] = "tasteworld",
    output: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("metric-audit"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the hackers' candidates.")] = 0,
) -> None:
    """How each metric ranks methods and users against the truth, and who fools it.

    It measures the runs there are (make them with `pgbench run --method all`), and takes about a
    quarter of an hour for eighteen of them.
    """
    from persongen_bench.instruments.audit.hackers import Effort
    from persongen_bench.instruments.audit.metric_audit import audit
    from persongen_bench.instruments.audit.page import summary_table, write
    from persongen_bench.util.progress import bars

    with bars() as progress:
        found = audit(runs, board, Effort(seed=seed), progress)
    written = write(found, output)
    console().print(summary_table(found), soft_wrap=False)
    for path in written:
        say(str(path))


@audit_app.command("copies")
def copies(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    output: Annotated[Path | None, typer.Option(help="PNG; default: in the run.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
) -> None:
    """Which images repeat pictures of the data; each beside those that it is nearest to.

    The exit status is 0 where nothing is copied more than chance does, 1 where something is, and 2
    for an error.
    """
    from persongen_bench.api.copies import audit_copies
    from persongen_bench.instruments.audit.neighbours import neighbour_panel
    from persongen_bench.util.progress import bars

    with bars() as progress:
        searched = audit_copies(run, data, progress)
        directory, place = searched.directory, output or run / "neighbours.png"
        drawn = None
        if not searched.copies.nothing:
            title, shown = directory.config.method.label, directory.veil.user
            drawn = neighbour_panel(searched.evaluation, place, title=title, shown=shown)
    say(str(searched))
    if drawn is not None:
        say(str(drawn))
    raise typer.Exit(int(searched.above_chance))


@audit_app.command("retrieval")
def retrieval(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory; says which data.")],
    k: Annotated[int, typer.Option(min=1, help="Items of a history.")] = 5,
    ranker: Annotated[RankerChoice, typer.Option(help="Ranking model.")] = RankerChoice.vbpr,
    seeds: Annotated[int, typer.Option(min=1, help="Rankers per kind of history.")] = 3,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
) -> None:
    """What retrieved, next and random histories tell a ranker (RAGAR, figure 2)."""
    from persongen_bench.instruments.analyses.histories import HistoryPlan, histories
    from persongen_bench.instruments.analyses.outcome import text_of
    from persongen_bench.loop.evaluation import Evaluation
    from persongen_bench.loop.generate import Execution
    from persongen_bench.loop.run import reopen
    from persongen_bench.util.progress import bars

    plan = HistoryPlan(k=k, ranker=ranker.value, n_seeds=seeds)
    with bars() as progress:
        directory, world = reopen(run, data, Execution(progress=progress))
        found = histories(Evaluation.of_run(directory, world, progress), plan, progress)
    say(text_of(found))


@audit_app.command("auxiliary")
def auxiliary(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    ranker: Annotated[RankerChoice, typer.Option(help="Ranking model.")] = RankerChoice.micro,
    seeds: Annotated[int, typer.Option(min=1, help="Rankers per set of pictures.")] = 3,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
) -> None:
    """A ranker trained with generated pictures in place of the originals (RAGAR, table 4)."""
    from persongen_bench.instruments.analyses.auxiliary import AuxiliaryPlan, labelled
    from persongen_bench.instruments.analyses.auxiliary import auxiliary as analysis
    from persongen_bench.instruments.analyses.outcome import text_of
    from persongen_bench.loop.evaluation import Evaluation
    from persongen_bench.loop.generate import Execution
    from persongen_bench.loop.run import reopen
    from persongen_bench.util.progress import bars

    plan = AuxiliaryPlan(ranker=ranker.value, n_seeds=seeds)
    with bars() as progress:
        opened = [reopen(path, data, Execution(progress=progress)) for path in runs]
        seen = [
            (d.config.method.label, d.config.seed, Evaluation.of_run(d, w, progress))
            for d, w in opened
        ]
        found = analysis(labelled(seen), plan, progress)
    say(text_of(found))


@audit_app.command("topics")
def topics(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory; says which data.")],
    aspect: Annotated[AspectChoice, typer.Option(help="Of what.")] = AspectChoice.content,
    words: Annotated[int, typer.Option(min=1, help="Keywords of a topic.")] = 5,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
) -> None:
    """The topics that `topic-precision` finds, their images, likes and keywords (REBECA, A.2)."""
    from persongen_bench.instruments.audit.topics import topics_text
    from persongen_bench.loop.evaluation import Evaluation
    from persongen_bench.loop.generate import Execution
    from persongen_bench.loop.run import reopen
    from persongen_bench.util.progress import bars

    with bars() as progress:
        directory, world = reopen(run, data, Execution(progress=progress))
        text = topics_text(Evaluation.of_run(directory, world, progress), aspect.value, words)
    say(text)
