"""Fits, made once per key that names all that changes them, and kept in the cache."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, PgbenchError, RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.track import open_track
from persongen_bench.core.types import Catalog, content_hash
from persongen_bench.loop import making, newcomers
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.engines.devices import shown
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.sound_fit import check_weights, sound_fit
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.host import died
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.resident import FitOrder
from persongen_bench.loop.wall.tenancy import Home, Tenancy
from persongen_bench.loop.wall.wire import CellDied, MethodFault
from persongen_bench.loop.world import World
from persongen_bench.stacks.with_lora import StackWithLora
from persongen_bench.util import provenance
from persongen_bench.util.cache_places import locked_entry
from persongen_bench.util.files import cache_root, write_atomic
from persongen_bench.util.sealed import sealed_folder


def fit_facts(fit: Path) -> dict[str, Any]:
    """What a fit cost, and which models it used (``roles``)."""
    facts: dict[str, Any] = json.loads((fit / "fit.json").read_text(encoding="utf-8"))
    return facts


def fit_once(config: RunConfig, world: World, execution: Execution) -> Path:
    """The folder of a fit, from the cache where it is done; other processes wait for it."""
    folder = _place(config, world)
    with locked_entry(folder):
        if not sound_fit(folder):
            _fit(config, world, folder, execution)
    return folder


def kept_fit(config: RunConfig, world: World) -> Path:
    """The folder of a fit that is done; raises `RunError` where it is not."""
    folder = _place(config, world)
    if not sound_fit(folder):
        raise RunError(
            f"the fit of {config.method.label} is not in the cache {cache_root()}",
            fix="Fit first (`pgbench run --engine slurm`), with a PGBENCH_CACHE that is shared.",
        )
    return folder


def _place(config: RunConfig, world: World) -> Path:
    return cache_root() / "fits" / fit_key(config, world)


def code_of(facts: MethodFacts, world: World, track: str) -> str:
    """Hash of the code that touches a fit or an answer.

    That is what the method, the stack, the track and `making` import, and nothing else.
    """
    stack = world.stack
    around = (stack, stack.inner) if isinstance(stack, StackWithLora) else (stack,)
    own = provenance.Coded(frozenset(facts.modules), frozenset(facts.unfiled))
    return (own | provenance.coded(*around, open_track(track), making)).hash


def fit_key(config: RunConfig, world: World) -> str:
    """Content key of a fit: training data, method, configuration, stack, seed, code, threads.

    And the validation rows, for a method that reads them.
    """
    facts, asked = facts_of_run(config), world.asked(config)
    values = {k: v for k, v in config.method.config.items() if k not in facts.generate_fields}
    held_out: list[object] | None = None
    if facts.privileged:
        held_out = [world.dataset.revision, world.test.hash, *sorted(asked.targets.items())]
    read = world.validation if facts.reads_validation else None
    more = () if read is None else ("validation", read.hash)
    return content_hash(
        world.train.hash, held_out, asked.users, config.method.name, values,
        config.stack.signature, config.seed, config.code, config.threads, *more,
    )  # fmt: skip


def fit_context(
    world: World,
    seed: int,
    *,
    privileged: bool,
    asked: Asked | None = None,
    stack: RecordingStack | None = None,
    validated: bool = False,
) -> FitContext:
    """What a method may use while it fits; held-out items only for privileged anchors.

    ``validated``: whether it gets the validation rows, and features of their items.
    """
    users = () if asked is None else asked.users
    fitted = tuple(user for user in users if user in world.train.liked_items)
    stack = stack or RecordingStack(world.stack)
    validation = world.validation if validated else None
    if not privileged:
        features = world.features.restricted(_shown(world, validation)).for_view
        return FitContext(stack, seed, stack.noting(features), users=fitted, validation=validation)
    return FitContext(
        stack, seed, stack.noting(world.features.for_view), users=fitted,
        held_out=world.test, validation=validation, taste=world.dataset.taste,
        targets={} if asked is None else asked.targets,
    )  # fmt: skip


def _shown(world: World, validation: View | None) -> Catalog:
    """The items of the training view and of the validation rows."""
    if validation is None:
        return world.train.catalog
    return world.dataset.catalog.subset({*world.train.catalog.ids, *validation.catalog.ids})


def _fit(config: RunConfig, world: World, folder: Path, execution: Execution) -> None:
    facts, asked = facts_of_run(config), world.asked(config)
    checkpoints = folder.with_name(f"{folder.name}.partial")
    checkpoints.mkdir(exist_ok=True)
    built_on, order = _built_on(config, facts, world, execution)
    context = fit_context(
        world, config.seed, privileged=facts.privileged,
        asked=asked, validated=facts.reads_validation,
    )  # fmt: skip
    context = replace(context, checkpoints=checkpoints, progress=execution.progress)
    with sealed_folder(folder) as fresh:
        tenancy = Tenancy(
            config, facts, world, _views(facts, world, context), tuple(filter(None, built_on)),
            (checkpoints, fresh), execution.progress,
            shown(execution.engine.fits_on, os.environ),
        )  # fmt: skip
        with open_home(tenancy) as home:
            seconds = _timed(home, replace(order, output=fresh), context, facts.name)
        check_weights(fresh, facts.name)
        _describe(fresh, home, seconds, len(asked.users), built_on)
    shutil.rmtree(checkpoints)


def _built_on(
    config: RunConfig, facts: MethodFacts, world: World, execution: Execution
) -> tuple[tuple[Path | None, Path | None], FitOrder]:
    """Fits that this one builds on, made where they are not there."""
    base = _base_fit(config, facts, world, execution)
    adapted = None
    if newcomers.adapts(facts, world):
        before = newcomers.without_newcomers(world)
        adapted = fit_once(newcomers.unadapted(config, facts), before, execution)
    return (base, adapted), FitOrder(Path(), base, adapted)


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


def _views(facts: MethodFacts, world: World, context: FitContext) -> dict[str, View]:
    """What the method may see while it fits, by name."""
    views = {"train": world.train, "validation": context.validation, "held_out": context.held_out}
    if newcomers.adapts(facts, world):
        views["before"] = newcomers.without_newcomers(world).train
        views["support"] = newcomers.support_of(world)
    return {name: view for name, view in views.items() if view is not None}


def _timed(home: Home, order: FitOrder, context: FitContext, name: str) -> float:
    """Fit; the seconds that it took."""
    start = time.perf_counter()
    try:
        home.fit(order, context)
    except (PgbenchError, MemoryError, OSError):
        raise
    except CellDied as how:
        raise died(name, f"{how} while it was fitted") from None
    except Exception as error:
        said = str(error) if isinstance(error, MethodFault) else f"{type(error).__name__}: {error}"
        raise RunError(
            f"method {name} failed to fit: {said}", fix=f"`pgbench check {name}` finds out why."
        ) from error
    return time.perf_counter() - start


def _describe(
    fresh: Path, home: Home, seconds: float, n_users: int, built_on: Sequence[Path | None]
) -> None:
    """Write `fit.json` beside what the method saved; what the fits below used, it has used."""
    used = {k: v for fit in built_on if fit is not None for k, v in fit_facts(fit)["roles"].items()}
    size = sum(file.stat().st_size for file in plain_files(fresh))
    facts = {
        "fit_seconds": round(seconds, 3),
        "bytes_per_user": round(size / max(1, n_users), 1),
        "fit_peak_memory_mb": round(home.peak_mb, 1),
        "roles": used | home.used,
    }
    if home.refused:
        facts["refused"] = home.refused
    write_atomic(fresh / "fit.json", json.dumps(facts).encode())


def plain_files(folder: Path) -> Iterator[Path]:
    """The files below a folder; raises `RunError` for a link or anything else that is none."""
    for place in folder.rglob("*"):
        if place.is_symlink() or not (place.is_file() or place.is_dir()):
            raise RunError(f"a fit holds {place.name}, which is no regular file")
        if place.is_file():
            yield place
