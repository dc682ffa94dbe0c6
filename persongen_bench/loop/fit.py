"""Fits, made once per key that names all that changes them, and kept in the cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import ConfigError, RunError
from persongen_bench.loop import newcomers
from persongen_bench.loop.engines.devices import shown
from persongen_bench.loop.fit_home import context_of, views_of
from persongen_bench.loop.fit_key import code_of, fit_place
from persongen_bench.loop.fit_part import (
    done_parts,
    goes_by_parts,
    is_whole,
    parts_for,
    remove_parts,
    summed,
    timed_fit,
)
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.sound_fit import check_weights, sound_fit
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.resident import FitOrder
from persongen_bench.loop.wall.tenancy import Home, Tenancy
from persongen_bench.loop.world import World
from persongen_bench.util.cache_places import locked_entry
from persongen_bench.util.files import cache_root, write_atomic
from persongen_bench.util.sealed import sealed_folder


def fit_facts(fit: Path) -> dict[str, Any]:
    """What a fit cost, and which models it used (``roles``)."""
    facts: dict[str, Any] = json.loads((fit / "fit.json").read_text(encoding="utf-8"))
    return facts


def fit_once(config: RunConfig, world: World, execution: Execution) -> Path:
    """The folder of a fit, from the cache where it is done; other processes wait for it."""
    folder = fit_place(config, world)
    with locked_entry(folder):
        if not sound_fit(folder):
            parts = parts_for(config, world, execution.n_workers)
            made = execution.engine.fit(parts, world, execution.n_workers) if parts else ()
            for _ in execution.progress(made, "fit parts", len(parts)):
                pass
            _fit(config, world, folder, execution)
    return folder


def kept_fit(config: RunConfig, world: World) -> Path:
    """The folder of a fit that is done, or whose parts are; raises `RunError` where it is not."""
    folder = fit_place(config, world)
    if not sound_fit(folder) and is_whole(folder):
        return fit_once(config, world, Execution())
    if not sound_fit(folder):
        raise RunError(
            f"the fit of {config.method.label} is not in the cache {cache_root()}",
            fix="Fit first (`pgbench run --engine slurm`), with a PGBENCH_CACHE that is shared.",
        )
    return folder


def _fit(config: RunConfig, world: World, folder: Path, execution: Execution) -> None:
    facts, asked = facts_of_run(config), world.asked(config)
    checkpoints = folder.with_name(f"{folder.name}.partial")
    checkpoints.mkdir(exist_ok=True)
    built_on, order = _built_on(config, facts, world, execution)
    context = context_of(config, world, facts)
    parts = done_parts(folder) if goes_by_parts(facts, world) else {}
    context = replace(
        context, checkpoints=checkpoints, progress=execution.progress, parts=tuple(parts)
    )  # fmt: skip
    reads = (*filter(None, built_on), *parts)
    with sealed_folder(folder) as fresh:
        tenancy = Tenancy(
            config, facts, world, views_of(facts, world, context), reads,
            (checkpoints, fresh), execution.progress,
            shown(execution.engine.fits_on, os.environ),
        )  # fmt: skip
        with open_home(tenancy) as home:
            seconds = timed_fit(home, replace(order, output=fresh), context, facts.name)
        check_weights(fresh, facts.name)
        _describe(fresh, home, seconds, len(asked.users), (built_on, summed(parts)))
    shutil.rmtree(checkpoints)
    remove_parts(folder)


def _built_on(
    config: RunConfig, facts: MethodFacts, world: World, execution: Execution
) -> tuple[tuple[Path | None, Path | None], FitOrder]:
    """Fits that this one builds on, made where they are not there."""
    base = _base_fit(config, facts, world, execution)
    adapted = None
    if newcomers.adapts(facts, world):
        before = newcomers.without_newcomers(world)
        adapted = fit_once(newcomers.unadapted(config, facts), before, execution)
    return (base, adapted), FitOrder(None, base, adapted)


def _base_fit(
    config: RunConfig, facts: MethodFacts, world: World, execution: Execution
) -> Path | None:
    """The fit of the method that this one wraps, made once for its own run and this one."""
    base = facts.base
    if base is None:
        return None
    if base.privileged and not facts.privileged:
        raise ConfigError(
            f"method {config.method.name} cannot wrap {base.name}, which sees held-out data"
        )
    ref = config.method.model_copy(update={"name": base.name, "config": dict(base.config)})
    code = code_of(base, world, config.track)
    return fit_once(config.model_copy(update={"method": ref, "code": code}), world, execution)


def _describe(
    fresh: Path,
    home: Home,
    seconds: float,
    n_users: int,
    before: tuple[Sequence[Path | None], Mapping[str, Any]],
) -> None:
    """Write `fit.json` beside what the method saved.

    ``before``: fits that it builds on, and the sum of its parts: what those used, it has used.
    """
    built_on, parts = before
    used = {k: v for fit in built_on if fit is not None for k, v in fit_facts(fit)["roles"].items()}
    size = sum(file.stat().st_size for file in plain_files(fresh))
    facts = {
        "fit_seconds": round(seconds + parts["seconds"], 3),
        "bytes_per_user": round(size / max(1, n_users), 1),
        "fit_peak_memory_mb": round(max(home.peak_mb, parts["peak_mb"]), 1),
        "roles": used | parts["roles"] | home.used,
    }
    refused = list(dict.fromkeys((*parts["refused"], *home.refused)))
    if refused:
        facts["refused"] = refused
    write_atomic(fresh / "fit.json", json.dumps(facts).encode())


def plain_files(folder: Path) -> Iterator[Path]:
    """The files below a folder; raises `RunError` for a link or anything else that is none."""
    for place in folder.rglob("*"):
        if place.is_symlink() or not (place.is_file() or place.is_dir()):
            raise RunError(f"a fit holds {place.name}, which is no regular file")
        if place.is_file():
            yield place
