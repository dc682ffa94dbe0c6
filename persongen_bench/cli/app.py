"""The `pgbench` command: parses, calls, prints.

Everything heavy is imported inside the commands, so that the program starts without torch.
"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persongen_bench import __version__
from persongen_bench.cli.audit import audit_app
from persongen_bench.cli.cold_start import cold_start_app
from persongen_bench.cli.models import models_app
from persongen_bench.cli.rehearse import rehearse_app
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.util.execution import THREADS

if TYPE_CHECKING:
    from persongen_bench.loop.generate import Execution

app = typer.Typer(
    name="pgbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The benchmark of personalized image generation.",
)
new_app = typer.Typer(no_args_is_help=True, help="Write the skeleton of a plugin package.")
app.add_typer(new_app, name="new")
app.add_typer(models_app, name="models")
app.add_typer(audit_app, name="audit")
app.add_typer(rehearse_app)
app.add_typer(cold_start_app)

Runs = Annotated[Path, typer.Option(help="Folder of the run directories.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that generate.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples per call; changes speed only.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Metric besides the board's own; repeatable; all: every one."),
]
Pairs = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE")]


def main() -> None:
    """Entry point: user errors are one line on standard error and exit status 2."""
    try:
        app()
    except PgbenchError as error:
        _die(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        advice = "Earlier results are intact; make room or choose another folder, then resume."
        _die(f"{error.filename or 'disk'}: {error.strerror}. {advice}")
    except KeyboardInterrupt:
        _die("interrupted; `pgbench resume RUN` continues where it stopped", 130)


def _die(message: str, status: int = 2) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(status)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"pgbench {__version__}")
        raise typer.Exit


@contextmanager
def _execution(workers: int, batch_size: int) -> Iterator[Execution]:
    from persongen_bench.loop.generate import Execution
    from persongen_bench.util.progress import bars

    with bars() as progress:
        yield Execution(workers, batch_size, progress)


def _pairs(given: list[str] | None) -> dict[str, Any]:
    """``key=value`` strings; values are JSON where they parse as JSON, text otherwise."""
    found = {}
    for pair in given or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"option {pair!r} is not KEY=VALUE", fix="Write -o rank=8.")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:  # noqa: ANN401  # any JSON value
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


@app.command()
def run(
    method: Annotated[
        list[str], typer.Option("--method", "-m", help="Method; repeatable; all: the whole track.")
    ],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")] = "tasteworld",
    data: Data = None,
    data_option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE")] = None,
    split: Annotated[str | None, typer.Option(help="Split rule of the data set.")] = None,
    stack: Annotated[str | None, typer.Option(help="Frozen models; default: the board's.")] = None,
    preset: Annotated[str | None, typer.Option(help="Named settings of the method.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", metavar="KEY=VALUE")] = None,
    sweep: Annotated[list[str] | None, typer.Option(metavar="KEY=V1,V2,...")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Run seed; repeatable. [default: 0]")
    ] = None,
    n_images: Annotated[int | None, typer.Option(min=0, help="Images per user.")] = None,
    runs: Runs = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, a process each.")] = 1,
    workers: Workers = 1,
    threads: Annotated[int, typer.Option(min=1, help="Numerical threads per process.")] = THREADS,
    batch_size: Batch = 64,
    beside: Annotated[bool, typer.Option(help="Run the board's baselines and anchors too.")] = True,
    metric: Metrics = None,
) -> None:
    """Fit, generate, score; then print the leaderboard and draw the pictures."""
    from persongen_bench.api import campaign, report

    plan = campaign.Plan(
        methods=tuple(method), dataset=dataset, runs=runs, data_options=_pairs(data_option),
        root=data, split=split, stack=stack, preset=preset, options=_pairs(option),
        sweep={key: tuple(map(_value, str(v).split(","))) for key, v in _raw(sweep).items()},
        seeds=tuple(seed or [0]), n_images=n_images, beside=beside, threads=threads,
        metrics=tuple(metric or ()),
    )  # fmt: skip
    with _execution(workers, batch_size) as execution:
        made = list(campaign.execute(plan, execution, jobs))
    report.after_run(made, runs, plan.board.name, plan.metrics)


def _raw(given: list[str] | None) -> Mapping[str, str]:
    _pairs(given)
    return {key: value for key, _, value in (pair.partition("=") for pair in given or [])}


@app.command()
def resume(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")],
    data: Data = None,
    workers: Workers = 1,
    batch_size: Batch = 64,
    rebuild: Annotated[bool, typer.Option(help="Remake the journal from the images.")] = False,
) -> None:
    """Continue a run that was stopped; the batch size and worker count may differ."""
    from persongen_bench.api import report

    with _execution(workers, batch_size) as execution:
        results = report.resume(path, data, execution, rebuild=rebuild)
    report.print_run(results)


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Run directory, or folder with manifest.csv.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set.")] = "tasteworld",
    data: Data = None,
    data_option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE")] = None,
    label: Annotated[str | None, typer.Option(help="Name of the method that made them.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which seed of the method this is.")] = 0,
    metric: Metrics = None,
    runs: Runs = Path("runs"),
) -> None:
    """Score a run again, or images made elsewhere; never generates."""
    from persongen_bench.api import report

    with _execution(1, 64) as execution:
        if (folder / "run.json").exists():
            results = report.score_again(folder, data, execution, tuple(metric or ()))
        else:
            results = report.score_external(
                report.Submission(folder, dataset, data, _pairs(data_option), label, seed),
                runs,
                execution,
            )
    report.print_run(results)


@app.command()
def leaderboard(
    runs: Runs = Path("runs"),
    board: Annotated[
        str | None, typer.Option(help="Which board; default: every one there is.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="table, markdown, latex, csv, json or html.")
    ] = "table",
    output: Annotated[Path | None, typer.Option("--output", help="Write to a file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw precision against recall (PNG).")] = None,
    forest: Annotated[Path | None, typer.Option(help="Draw paired differences (PNG).")] = None,
    metric: Metrics = None,
) -> None:
    """Rank the runs of a folder: intervals, ties, anchors, signatures, reported rows."""
    from persongen_bench.api import report

    table = report.Table(runs, board, form, output, tuple(metric or ()))
    report.leaderboard(table, report.Pictures(plot, forest))


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B")],
    form: Annotated[str, typer.Option("--format", "-f", help="table, markdown or json.")] = "table",
) -> None:
    """Paired differences between two runs, per metric, with intervals and Holm's correction."""
    from persongen_bench.api import report

    report.compare(first, second, form)


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, datasets, metrics, stacks, boards or runs.")
    ] = "methods",
    runs: Runs = Path("runs"),
) -> None:
    """List what is registered, without importing it."""
    from persongen_bench.cli import show as shown

    shown.list_kind(kind, runs)


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="method, dataset, metric, stack, board or run.")],
    name: Annotated[str, typer.Argument(help="Its name, or the folder of a run.")],
) -> None:
    """Show the card of one thing."""
    from persongen_bench.cli import show as shown

    shown.show(kind, name)


@app.command()
def check(name: Annotated[str, typer.Argument(help="Registered name, such as dist/name.")]) -> None:
    """Run the contract tests on a method, data set, metric or stack."""
    from persongen_bench.testing.check import check as run_checks

    if not run_checks(name, typer.echo).passed:
        raise typer.Exit(1)


@app.command()
def selftest(
    quick: Annotated[bool, typer.Option(help="Fewer simulated worlds.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Run the controls that the benchmark itself must pass."""
    from persongen_bench.instruments.controls.suite import run_all

    if not run_all(seed, quick=quick):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what is installed, where things lie, and which plugins do not import."""
    from persongen_bench.api.doctor import examine

    if not examine():
        raise typer.Exit(1)


@new_app.command("method")
def new_method(
    name: Annotated[str, typer.Argument(help="Name of the method, such as my-method.")],
    folder: Annotated[Path | None, typer.Option(help="Where to write; default: ./NAME.")] = None,
) -> None:
    """Write an installable package with a method that passes `pgbench check`."""
    from persongen_bench.testing.scaffold import write_method

    typer.echo(f"wrote {write_method(name, folder)}")


if __name__ == "__main__":
    main()
