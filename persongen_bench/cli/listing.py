"""`pgbench list | show`: what there is, as tables, cards or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError

if TYPE_CHECKING:
    from persongen_bench.core.statistics import Statistics

listing_app = typer.Typer()
FORMS = ("table", "json")


@listing_app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(help="methods, datasets, metrics, stacks, tracks, boards, requests, runs."),
    ] = "methods",
    runs: options.Runs = Path("runs"),
    form: options.Form = "table",
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Of requests.")] = "tasteworld",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    track: options.Track = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    n_images: options.NImages = None,
    board: options.BoardName = None,
) -> None:
    """List what is registered, without importing it; or the requests of a data set."""
    from persongen_bench.api import cards

    _require(form)
    if kind in ("request", "requests"):
        from persongen_bench.api.requests import requests

        given = options.pairs(data_option)
        lines: Sequence[Mapping[str, Any]] = requests(
            dataset, data=data, data_options=given, track=track, split=split,
            split_seed=split_seed, n_images=n_images, board=board,
        )  # fmt: skip
    else:
        lines = cards.rows(kind, runs)
    if form == "json":
        _write_json(lines)
    else:
        _print_table(lines)


@listing_app.command()
def show(
    kind: Annotated[
        str, typer.Argument(help="method, dataset, metric, stack, track, board or run.")
    ],
    name: Annotated[str, typer.Argument(help="Its name, or the folder of a run.")],
    form: options.Form = "table",
    data: options.Data = None,
    data_option: options.DataOptions = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw a data set's distributions into this file.")
    ] = None,
) -> None:
    """Show the card of one thing; of a data set also what was read, where its data are there."""
    from persongen_bench.api import cards, statistics

    _require(form)
    card = cards.card(kind, name)
    told = None
    if kind == "dataset":
        told = statistics.of_dataset(name, data, options.pairs(data_option), drawn=bool(picture))
    elif data or data_option or picture:
        raise ConfigError(f"--data, --data-option and --picture with a {kind}", fix="Leave it out.")
    if form == "json":
        _write_json(card if told is None else {**card, "statistics": statistics.values(told)})
        return
    _print_card(name, card)
    if told is not None:
        _print_statistics(told)
    if told is not None and picture is not None:
        statistics.draw(told, picture)


def _require(form: str) -> None:
    if form not in FORMS:
        raise ConfigError(f"no format is called {form!r}", fix=f"Use {' or '.join(FORMS)}.")


def _write_json(value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    sys.stdout.write(f"{text}\n")


def _print_table(lines: Iterable[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = list(lines)
    header = list(rows[0]) if rows else []
    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_plain(value) for value in row.values()))
    Console().print(table)


def _print_card(title: str, card: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, title=_plain(title))
    for key, value in card.items():
        table.add_row(_plain(key), _plain(value))
    Console().print(table)


def _print_statistics(told: Statistics) -> None:
    from persongen_bench.api import statistics

    for line in statistics.text(told):
        sys.stdout.write(f"{line}\n")


def _plain(value: object) -> str:
    from rich.markup import escape

    return escape(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
