"""Fits, made once per key that names all that changes them, and kept in the cache."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, PgbenchError, RunError
from persongen_bench.core.method import FitContext, Method, Wrapper, reads_validation
from persongen_bench.core.track import open_track
from persongen_bench.core.types import Catalog, content_hash
from persongen_bench.loop import making, newcomers
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.choice import build_method
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World
from persongen_bench.stacks.with_lora import StackWithLora
from persongen_bench.util import provenance
from persongen_bench.util.cache_places import locked_entry
from persongen_bench.util.execution import peak_memory_mb
from persongen_bench.util.files import cache_root, write_atomic
from persongen_bench.util.sealed import sealed_folder, sound_folder


def facts_of(fit: Path) -> dict[str, Any]:
    """What a fit cost, and which models it used (``roles``)."""
    facts: dict[str, Any] = json.loads((fit / "fit.json").read_text(encoding="utf-8"))
    return facts


def fit_once(config: RunConfig, world: World, execution: Execution) -> Path:
    """The folder of a fit, from the cache where it is done; other processes wait for it."""
    folder = cache_root() / "fits" / fit_key(config, world)
    with locked_entry(folder):
        if not sound_folder(folder):
            _fit(config, world, folder, execution)
    return folder


FitOnce: TypeAlias = Callable[[RunConfig, World], Path]
"""The folder of the fit of a run on a world."""


def load_base(method: Method, config: RunConfig, world: World, fit: FitOnce) -> bool:
    """Fit the method that ``method`` wraps, once for its own run and this one; False for none."""
    if not isinstance(method, Wrapper):
        return False
    base, name = method.base, str(method.config.base)
    if base.privileged and not method.privileged:
        raise ConfigError(
            f"method {config.method.name} cannot wrap {name}, which sees held-out data"
        )
    values = base.config.model_dump(mode="json")
    ref = config.method.model_copy(update={"name": name, "config": values})
    code = code_of(base, world, config.track)
    own = config.model_copy(update={"method": ref, "code": code})
    base.load(fit(own, world), world.stack, world.train)
    return True


def code_of(method: Method, world: World, track: str) -> str:
    """Hash of the code that touches a fit or an answer.

    That is what the method, the stack, the track and `making` import, and nothing else.
    """
    stack = world.stack
    around = (stack, stack.inner) if isinstance(stack, StackWithLora) else (stack,)
    return provenance.code_of(method, *around, open_track(track), making)


def fit_key(config: RunConfig, world: World) -> str:
    """Content key of a fit: training data, method, configuration, stack, seed, code, threads.

    And the validation rows, for a method that reads them.
    """
    cls = registry.get("methods", config.method.name)
    values = {k: v for k, v in config.method.config.items() if k not in cls.generate_fields}
    asked = world.asked(config)
    held_out: list[object] | None = None
    if cls.privileged:
        held_out = [world.dataset.revision, world.test.hash, *sorted(asked.targets.items())]
    read = world.validation if reads_validation(build_method(config)) else None
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
    method = build_method(config)
    checkpoints = folder.with_name(f"{folder.name}.partial")
    checkpoints.mkdir(exist_ok=True)
    stack = RecordingStack(world.stack)

    def fit_other(other: RunConfig, where: World) -> Path:
        """A fit that this one builds on; what that one used, this one has used."""
        other_folder = fit_once(other, where, execution)
        stack.used |= facts_of(other_folder)["roles"]
        return other_folder

    allowed = fit_context(
        world, config.seed, privileged=method.privileged, stack=stack,
        asked=world.asked(config), validated=reads_validation(method),
    )  # fmt: skip
    context = replace(
        allowed,
        checkpoints=checkpoints,
        progress=execution.progress,
        base_fitted=load_base(method, config, world, fit_other),
    )
    start = time.perf_counter()
    try:
        if not newcomers.adapt(method, config, world, context, fit_other):
            method.fit(world.train, context)
    except (PgbenchError, MemoryError, OSError):
        raise
    except Exception as error:
        raise RunError(
            f"method {config.method.name} failed to fit: {type(error).__name__}: {error}",
            fix=f"`pgbench check {config.method.name}` finds out why.",
        ) from error
    seconds = time.perf_counter() - start
    _store_fit(method, folder, seconds, len(world.asked(config).users), stack.used)
    shutil.rmtree(checkpoints)


def _store_fit(
    method: Method, folder: Path, seconds: float, n_users: int, used: dict[str, str]
) -> None:
    with sealed_folder(folder) as fresh:
        method.save(fresh)
        size = sum(file.stat().st_size for file in fresh.rglob("*") if file.is_file())
        facts = {
            "fit_seconds": round(seconds, 3),
            "bytes_per_user": round(size / max(1, n_users), 1),
            "fit_peak_memory_mb": round(peak_memory_mb(), 1),
            "roles": used,
        }
        write_atomic(fresh / "fit.json", json.dumps(facts).encode())
