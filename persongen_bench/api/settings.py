"""What may be said besides method and data set: the settings of every door, and their check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from persongen_bench.api.campaign import Campaign
from persongen_bench.api.engines import devices_for, engine_of
from persongen_bench.api.sweeping import values_of
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.loop.choice import MethodChoice, Options
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.wall import bubble, limits
from persongen_bench.util.execution import THREADS
from persongen_bench.util.files import cache_root, usable_folder
from persongen_bench.util.progress import bars
from persongen_bench.util.said import no_surrogates, whole


class Settings(TypedDict, total=False):
    """What may be said besides method and data set; everything has the board's default."""

    runs: str | Path
    """Folder of the run directories; default: ``runs``."""
    data: str | Path | None
    """Folder of the data set; default: where `pgbench` looks."""
    data_options: Options
    """Of the data set, as `pgbench show dataset NAME` lists them."""
    split: str | None
    """How the data are divided; default: the board's, else the data set's first."""
    split_seed: int | None
    """Seed of the division; default: 0."""
    track: str | None
    """What is asked; default: the board's, else the data set's first that has a board."""
    board: str | None
    """Which board the runs go to; default: the one that data set and track lead to."""
    stack: str | None
    """The frozen models; default: the board's, or its fallback where files are missing."""
    lora: str | Path | None
    """A LoRA file that the decoder draws with (see `pgbench convert lora`); default: none."""
    preset: str | None
    """Named options, of every method of the runs that has them; one of those asked for must.
    Default: what stack and board prefer."""
    options: Options
    """Of methods that are given by name or class; an instance has its own, and no preset."""
    sweep: Mapping[str, Sequence[object]]
    """Option => values, of the same methods: a run for each combination; default: none."""
    seeds: Sequence[int]
    """One run each; default: 0."""
    n_images: int | None
    """Answers to each request; default: the board's."""
    beside: bool
    """Run the board's baselines and anchors too; default: yes."""
    metrics: Sequence[str]
    """Besides the board's own; ``all``: all that the stack can measure."""
    permute: Sequence[str]
    """Instruments of permutation tests besides the board's, such as ``verifier``, ``neighbour``."""
    permute_images: int | None
    """Images of every user, the first by index, that these tests take; default: all."""
    sealed: bool
    """Methods see no file, network or process (bubblewrap), from now on in this process."""
    method_minutes: float | None
    """Most minutes of a fit, or of a batch of answers, from now on in this process; default: no
    limit."""
    method_gib: float | None
    """Most memory of a method's process in GiB, libraries included, likewise."""
    pseudonymize: bool
    """Write pseudonyms in place of the names of users, requests and samples; default: no."""
    threads: int
    """Of every numerical call."""
    workers: int
    """Processes that generate."""
    engine: str
    """Where answers are made: ``local`` (default) or ``ray``."""
    ray_address: str | None
    """Head of a Ray cluster; default: RAY_ADDRESS, else Ray is started here."""
    devices: str | None
    """A worker on each, pinned to it: ``cpu,cuda:0``; default: workers take what they find."""
    batch_size: int
    """Samples that a method is asked for at a time."""
    jobs: int | None
    """Runs at a time, by this process and others that help it; default: 1. None: as many as there
    are cores for, in a program whose main module may be imported again (`multiprocessing`)."""


def campaign_of(
    methods: tuple[str | MethodChoice, ...], dataset: str, settings: Settings
) -> Campaign:
    """The campaign that a user's settings describe; an unknown one raises `ConfigError`."""
    unknown = sorted(settings.keys() - Settings.__annotations__.keys())
    if unknown:
        known = f"Settings are: {', '.join(Settings.__annotations__)}."
        fix = near_miss(unknown[0], Settings.__annotations__, known)
        raise ConfigError(f"there is no setting {unknown[0]!r}", fix=fix)
    check_places(settings)
    if settings.get("sealed", False):
        bubble.ask()
    limits.ask(settings.get("method_minutes"), settings.get("method_gib"))
    return Campaign(
        methods=methods,
        dataset=dataset,
        runs=Path(settings.get("runs", "runs")),
        data_options=settings.get("data_options", {}),
        root=path_of(settings.get("data")),
        split=settings.get("split"),
        split_seed=settings.get("split_seed") or 0,
        track=settings.get("track"),
        board_name=settings.get("board"),
        stack=settings.get("stack"),
        preset=settings.get("preset"),
        options=settings.get("options", {}),
        sweep=values_of(settings.get("sweep", {})),
        seeds=_seeds(settings.get("seeds", (0,))),
        n_images=settings.get("n_images"),
        beside=settings.get("beside", True),
        threads=settings.get("threads", THREADS),
        metrics=_names("metrics", settings.get("metrics", ())),
        permute=_names("permute", settings.get("permute", ())),
        permute_images=settings.get("permute_images"),
        pseudonymize=settings.get("pseudonymize", False),
        lora=path_of(settings.get("lora"), "the LoRA file"),
    )


@contextmanager
def execution_of(settings: Settings) -> Iterator[Execution]:
    """How to run: workers, batches, a progress bar on a terminal."""
    workers = whole("workers", settings.get("workers", 1), 1)
    batch_size = whole("batch_size", settings.get("batch_size", 64), 1)
    devices = devices_for(settings.get("devices"), workers)
    engine = engine_of(settings.get("engine", "local"), settings.get("ray_address"), devices)
    with bars() as progress:
        yield Execution(len(devices) or workers, batch_size, progress, engine)


def jobs_of(settings: Settings) -> int | None:
    """Runs at a time; None: as many as there are cores for."""
    said = settings.get("jobs", 1)
    return None if said is None else whole("jobs", said, 1)


def check_places(settings: Settings) -> None:
    """Refuse a cache or a folder of runs that is a file, before anything is computed."""
    usable_folder(cache_root(), "the cache", "Set PGBENCH_CACHE to a folder.")
    runs = settings.get("runs", "runs")
    no_surrogates("the folder of runs", str(runs))
    usable_folder(Path(runs), "the folder of runs", "Name another one (--runs).")


def path_of(value: str | Path | None, what: str = "the folder of the data") -> Path | None:
    """A place as it was said; ``what`` it is, in the words of an error."""
    return None if value is None else Path(no_surrogates(what, str(value)))


def _seeds(value: object) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, Iterable) else (value,)  # type: ignore[return-value]  # a campaign checks them


def _names(name: str, value: Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ConfigError(f"{name} is {value!r}", fix=f"Give a list: {name}=[{value!r}].")
    return tuple(value)
