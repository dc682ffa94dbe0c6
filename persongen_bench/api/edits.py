"""Edited models: one's own LoRA moved by a run's directions, and what edits gained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from persongen_bench.api.lora_files import known_base
from persongen_bench.api.runs import Run
from persongen_bench.api.settings import execution_of, path_of
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.edit_gain import EditGain, edit_gains, gain_plot
from persongen_bench.leaderboards.gathering import gather
from persongen_bench.loop.choice import restore_method
from persongen_bench.loop.fit import fit_once
from persongen_bench.loop.run import reopen
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.store import RunDirectory
from persongen_bench.methods.w2w.space import EVERYBODY, EditsModels
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import writable_file
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.writing import write_lora
from persongen_bench.util.said import shown

FOR_ALL = "everybody"
"""How the direction is named in a run that has one for all users."""
MOST_STRENGTH = 1000.0
"""Standard deviations; the papers' raw units are larger, and are another unit."""
SHOWN_USERS = 5
"""Named where somebody is unknown."""


@dataclass(frozen=True)
class Step:
    """How far a LoRA was moved along one direction."""

    user: str
    """As it was named."""
    strength: float
    """Standard deviations of the training models' projections."""
    alpha: float
    """The same in units of the unit direction."""
    raw_alpha: float
    """The same in the papers' units, along the classifier's normal as it came."""


@dataclass(frozen=True)
class EditedLora:
    """What was written."""

    path: Path
    lora: LoraLayers
    steps: tuple[Step, ...]
    """In the order they were named."""
    notes: tuple[str, ...] = ()
    """What a reader must know, a sentence each."""


def edit_lora(
    lora: str | Path,
    run: str | Path | Run,
    toward: Mapping[str, float],
    output: str | Path,
    *,
    data: str | Path | None = None,
) -> EditedLora:
    """Move a LoRA along directions that a run's method has learned, all at once.

    The fit is that of the run; it is made anew where the cache has lost it.

    Args:
        lora: a file as `read_lora` reads it, of the base model of the run's stack.
        run: a run of a method that edits models, or its directory.
        toward: user => strength in standard deviations; negative: the other way. Users are named
            as the data or as the run directory name them; `FOR_ALL` where one direction is the
            same for everybody.
        output: file to write, float32 under the names of diffusers, every multiplier 1.
        data: where the data of the run lie now.

    Raises:
        ConfigError: for a run that edits nothing, a user without a direction, a wrong strength.
        DataError: for a file that is no plain LoRA or does not fit the base.
        UnsupportedRequestError: for a rank that the run's space does not take.
    """
    file = writable_file(Path(output))
    _check_strengths(toward)
    place = run.path if isinstance(run, Run) else Path(run)
    _require_editing(RunDirectory.open(place).config)
    directory, method = _restored(place, path_of(data))
    names = _names(method, directory)
    _require_known(toward, names)
    source = _read(Path(lora), method, directory.config)
    with fixed_threads(directory.config.threads):
        edited = method.moved(source, {names[said]: t for said, t in toward.items()})
    write_lora(edited, file)
    steps = tuple(_step(method, said, names[said], t) for said, t in toward.items())
    return EditedLora(file, edited, steps, (*source.notes, *_left_out(source, edited)))


def gains(runs: str | Path = "runs") -> list[EditGain]:
    """What each run of the track ``model-editing`` gained over the unedited models.

    Raises `RunError` where there is no such run, or no unedited one beside it.
    """
    return edit_gains(gather(Path(runs))[0])


def plot_gains(rows: list[EditGain], option: str, path: str | Path) -> Path:
    """Draw the gain over the values of a numeric option, such as ``strength``."""
    gain_plot(rows, option, Path(path))
    return Path(path)


def _check_strengths(toward: Mapping[str, float]) -> None:
    if not toward:
        raise ConfigError("no direction is named", fix="Name one: --toward USER=2.")
    for user, strength in toward.items():
        if not math.isfinite(strength) or abs(strength) > MOST_STRENGTH:
            raise ConfigError(
                f"the strength toward {shown(user)} is {strength:g}",
                fix=f"Use standard deviations, -{MOST_STRENGTH:g} to {MOST_STRENGTH:g}, such as 2.",
            )


def _require_editing(config: RunConfig) -> None:
    cls = None if config.method.external else registry.get("methods", config.method.name)
    if not (isinstance(cls, type) and issubclass(cls, EditsModels)):
        raise ConfigError(
            f"a run of {config.method.label} has no directions along which a LoRA could be moved",
            fix="Name a run of w2w: `pgbench run --track model-editing -m w2w` makes one.",
        )


def _restored(place: Path, root: Path | None) -> tuple[RunDirectory, EditsModels]:
    """The run, and its method as it was fitted."""
    with execution_of({}) as execution:
        directory, world = reopen(place, root, execution)
        fit = fit_once(directory.config, world, execution)
    method = restore_method(directory.config, world.train, fit, world.stack)
    assert isinstance(method, EditsModels)
    return directory, method


def _names(method: EditsModels, directory: RunDirectory) -> dict[str, str]:
    """What may be named => whose direction it is; all names of the run directory come first."""
    if EVERYBODY in method.moves:
        return {FOR_ALL: EVERYBODY}
    named = {directory.veil.user(user): user for user in method.moves}
    return {**named, **{user: user for user in method.moves if user not in named}}


def _require_known(toward: Mapping[str, float], names: Mapping[str, str]) -> None:
    unknown = next((said for said in toward if said not in names), None)
    if unknown is None:
        return
    known = list(names)[: len(set(names.values()))]
    few = known[:SHOWN_USERS]
    more = f" and {len(known) - len(few)} more" if len(known) > len(few) else ""
    raise ConfigError(
        f"this run has no direction of user {shown(unknown)}",
        fix=f"It has those of {', '.join(few)}{more}." if few else "It has found none for anybody.",
    )


def _read(path: Path, method: EditsModels, config: RunConfig) -> LoraLayers:
    """The LoRA with the shapes of the stack's denoiser, or of the models that were learned from."""
    base = known_base(config.stack.name)
    return read_lora(path, replace(base, layers={**base.layers, **method.layers}))


def _step(method: EditsModels, said: str, user: str, strength: float) -> Step:
    move = method.moves[user]
    return Step(said, strength, strength * move.alpha, strength * move.raw_alpha)


def _left_out(before: LoraLayers, after: LoraLayers) -> tuple[str, ...]:
    n = len(before.layers.keys() - after.layers.keys())
    return (f"left out {n} layers that the run's space does not have",) if n else ()
