"""Options that several commands share, written once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from persongen_bench.core.errors import ConfigError
from persongen_bench.util.said import LARGEST_SEED, MOST, shown

Runs = Annotated[Path, typer.Option(help="Folder of the run directories.")]
Dataset = Annotated[str, typer.Option("--dataset", "-d", help="Data set.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the data set.")]
DataOptions = Annotated[list[str] | None, typer.Option("--data-option", metavar="KEY=VALUE")]
Methods = Annotated[
    list[str], typer.Option("--method", "-m", help="Method; repeatable; all: the whole track.")
]
MethodsBeside = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", help="Method; repeatable; all: the whole track."),
]
"""Where there is another way to name one."""
Chosen = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Method that `pgbench search` chose; repeatable."),
]
SplitSeed = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the split. [default: 0]")
]
Split = Annotated[str | None, typer.Option(help="Split rule of the data set.")]
Track = Annotated[str | None, typer.Option(help="What is asked; default: the data set's first.")]
BoardName = Annotated[str | None, typer.Option("--board", help="Board that the runs go to.")]
Stack = Annotated[str | None, typer.Option(help="Frozen models; default: the board's.")]
Lora = Annotated[
    Path | None, typer.Option(help="LoRA file that every picture is drawn with (safetensors).")
]
Preset = Annotated[str | None, typer.Option(help="Named settings, of every method that has them.")]
Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, max=LARGEST_SEED, help="Run seed; repeatable. [default: 0]"),
]
NImages = Annotated[int | None, typer.Option(min=1, max=MOST, help="Images per request.")]
Beside = Annotated[bool, typer.Option(help="Run the board's baselines and anchors too.")]
Workers = Annotated[int, typer.Option(min=1, max=MOST, help="Processes that generate.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, max=MOST, help="Runs at a time. [default: as many as there are cores]"),
]
Engine = Annotated[str, typer.Option(help="Where answers are made: local or ray.")]
EngineOrSlurm = Annotated[
    str,
    typer.Option(help="Where answers are made: local, ray, or slurm (writes scripts, runs none)."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Head of a Ray cluster. [default: RAY_ADDRESS, or here]"
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="cpu,cuda:0,...", help="A worker on each, pinned to it. [default: unpinned]"
    ),
]
Threads = Annotated[int, typer.Option(min=1, max=MOST, help="Numerical threads per process.")]
Batch = Annotated[int, typer.Option(min=1, max=MOST, help="Samples per call; changes speed only.")]
Option = Annotated[list[str] | None, typer.Option("--option", "-o", metavar="KEY=VALUE")]
Sweep = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=V1,V2,...", help="Repeatable; of several every combination is run."),
]
Pseudonymize = Annotated[
    bool, typer.Option("--pseudonymize", help="Write pseudonyms in place of user ids.")
]


def _seal(wanted: bool) -> bool:  # called by the parser
    if wanted:
        from persongen_bench.loop.wall import bubble

        bubble.ask()
    return wanted


def _limit(parameter: typer.CallbackParam, wanted: float | None) -> float | None:  # likewise
    if wanted is not None:
        from persongen_bench.loop.wall import limits

        limits.ask(**{str(parameter.name).removeprefix("method_"): wanted})
    return wanted


MethodMinutes = Annotated[
    float | None,
    typer.Option(
        "--method-minutes", callback=_limit, min=0.001, max=MOST,
        help="Most minutes of a fit, or of a batch of answers. [default: no limit]",
    ),
]  # fmt: skip
MethodGib = Annotated[
    float | None,
    typer.Option(
        "--method-gib", callback=_limit, min=0.001, max=MOST,
        help="Most memory of a method's process, in GiB, libraries included. [default: no limit]",
    ),
]  # fmt: skip
Sealed = Annotated[
    bool,
    typer.Option(
        "--sealed", callback=_seal, help="Methods see no file, network or process (bubblewrap)."
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Metric besides the board's own; repeatable; all: every one."),
]
Permute = Annotated[
    list[str] | None,
    typer.Option(
        "--permute", metavar="INSTRUMENT",
        help="Permutation tests by this instrument too: verifier, verifier-unseen, neighbour, "
        "true-taste, ...; repeatable.",
    ),
]  # fmt: skip
PermuteImages = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST, help="Images of every user that --permute tests with. [default: all]"
    ),
]
Form = Annotated[str, typer.Option("--format", "-f", help="table or json.")]


def pairs(given: list[str] | None) -> dict[str, Any]:
    """``key=value`` strings; values are JSON where they parse as JSON, text otherwise."""
    return {key: value_of(text) for key, text in texts(given).items()}


def lists(given: list[str] | None) -> dict[str, tuple[Any, ...]]:
    """``key=v1,v2,...`` strings; every value as `value_of` reads it."""
    return {key: tuple(map(value_of, text.split(","))) for key, text in texts(given).items()}


def texts(given: list[str] | None) -> Mapping[str, str]:
    """``key=value`` strings as text."""
    said: dict[str, str] = {}
    for pair in given or []:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"option {shown(pair)} is not KEY=VALUE", fix="Write -o rank=8.")
        if key in said:
            raise ConfigError(
                f"option {shown(key)} is given twice: {shown(said[key])} and {shown(text)}",
                fix="Keep one of them.",
            )
        said[key] = text
    return said


def value_of(text: str) -> Any:  # noqa: ANN401  # any JSON value
    """The JSON value of a text, else the text; `ConfigError` for one that no JSON reader takes."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        reason = "it is nested too deep"
    except ValueError:  # Python refuses integers of thousands of digits
        reason = "its number has too many digits"
    raise ConfigError(f"value {shown(text)}: {reason}", fix="Write a shorter one.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose fields is given twice."""
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(f"field {twice!r} is given twice", fix="Keep one of them.")
    return dict(pairs)
