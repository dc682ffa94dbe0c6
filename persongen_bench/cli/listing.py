"""`pgbench list | show`: what there is, as tables, cards or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from persongen_bench.cli import options
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.core.plain import LABEL, json_text, plain
from persongen_bench.util import printed

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
        raise ConfigError(
            f"no format is called {form!r}",
            fix=near_miss(form, FORMS, f"Use {' or '.join(FORMS)}."),
        )


def _write_json(value: object) -> None:
    printed.show(json_text(value), "json")


def _print_table(lines: Iterable[Mapping[str, Any]]) -> None:
    rows = list(lines)
    header = list(rows[0]) if rows else []
    cells = [[_text(value) for value in row.values()] for row in rows]
    printed.show(printed.columns(header, cells))


def _print_card(title: str, card: Mapping[str, Any]) -> None:
    printed.say(plain(title, LABEL))
    printed.show(printed.card([(str(key), _text(value)) for key, value in card.items()]))


def _print_statistics(told: Statistics) -> None:
    from persongen_bench.api import statistics

    for line in statistics.text(told):
        printed.say(line)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
