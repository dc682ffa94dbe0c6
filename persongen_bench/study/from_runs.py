"""The material of a study from runs: what methods made for the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Image
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.run import reopen
from persongen_bench.loop.store import RunDirectory, find_runs
from persongen_bench.loop.world import World
from persongen_bench.study.material import HISTORY, Case, Material

_ITEM, _MADE = "item|", "made|"


def from_runs(places: Sequence[Path], data: Path | None, wanted: Sequence[str] = ()) -> Material:
    """What every one of these runs delivered.

    Args:
        places: run directories, or folders of them.
        data: where their data lie, where that is not known.
        wanted: names or labels of the methods to take, as patterns; empty: all.

    Raises:
        ConfigError: where runs do not answer the same questions, or have one label.
        DataError: where there is no picture that all of them delivered.
    """
    paths = [path for place in places for path in find_runs(place)]
    runs = [run for run in map(RunDirectory.open, paths) if _wanted(run, wanted)]
    _require_alike(runs)
    directory, world = reopen(runs[0].path, data, Execution())
    asked = world.asked(directory.config)
    made = {run.config.method.label: _delivered(run) for run in runs}
    veil = directory.veil
    named = [(veil.sample(sample.sample_id), sample) for sample in asked.samples]
    cases = tuple(
        _case(veil.user(sample.request.user_id), name, sample, tuple(made))
        for name, sample in named
        if all(name in delivered for delivered in made.values())
    )
    if not cases:
        raise DataError(
            "there is no picture that all of these runs delivered",
            fix="See `pgbench show run RUN` for what failed.",
        )
    likers = {sample.request.user_id for _, sample in named}
    liked = world.train.liked_items
    return Material(
        methods=tuple(made),
        cases=cases,
        open=_opener(world, {run.config.method.label: run for run in runs}, made),
        runs=tuple(run.config.run_id for run in runs),
        likes={veil.user(user): _items(liked.get(user, ())) for user in likers},
        items={item: f"{_ITEM}{item}" for item in world.dataset.catalog.ids},
    )


def _wanted(run: RunDirectory, patterns: Sequence[str]) -> bool:
    names = (run.config.method.name, run.config.method.label)
    return not patterns or any(fnmatchcase(n, p) for n in names for p in patterns)


def _require_alike(runs: Sequence[RunDirectory]) -> None:
    labels = [run.config.method.label for run in runs]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if len(runs) < 2 or twice is not None:
        what = "fewer than two runs" if twice is None else f"two runs of {twice}"
        raise ConfigError(f"{what} to compare", fix="Name one run of each of several methods.")
    for run in runs:
        if run.config.output != "image" or run.config.unit != "user":
            raise ConfigError(
                f"{run.path}: people judge pictures made for users",
                fix="Name runs of another track.",
            )
        if _protocol(run) != _protocol(runs[0]):
            raise ConfigError(
                f"{run.path} and {runs[0].path} do not answer the same questions",
                fix="Name runs of one data set, split, track and seed.",
            )


def _protocol(run: RunDirectory) -> tuple[object, ...]:
    config = run.config
    data = config.dataset
    asked = (config.track, config.seed, config.n_history, config.pseudonyms)
    return (data.name, data.revision, data.split_hash, *asked)


def _delivered(run: RunDirectory) -> dict[str, str]:
    """Sample id => pixel hash of what was delivered."""
    table = run.results().samples
    there = table[table["state"] == "ok"]
    ids, hashes = there["sample_id"].astype(str), there["pixel_hash"].astype(str)
    return dict(zip(ids, hashes, strict=True))


def _case(user: str, name: str, sample: Sample, methods: Iterable[str]) -> Case:
    request = sample.request
    return Case(
        user=user,
        request=request.request_id,
        pictures={method: f"{_MADE}{method}|{name}" for method in methods},
        samples=dict.fromkeys(methods, name),
        history=_items(request.history[-HISTORY:]),
        reference=None if request.reference is None else f"{_ITEM}{request.reference}",
    )


def _items(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{_ITEM}{item}" for item in ids)


def _opener(
    world: World, runs: dict[str, RunDirectory], made: dict[str, dict[str, str]]
) -> Callable[[str], Image]:
    def opened(key: str) -> Image:
        if key.startswith(_ITEM):
            return world.dataset.catalog.images([key.removeprefix(_ITEM)])[0]
        method, _, name = key.removeprefix(_MADE).rpartition("|")
        return runs[method].read_image(name, made[method][name])

    return opened
