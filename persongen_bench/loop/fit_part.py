"""Parts of a fit: what a method learns of some of the users, made anywhere, taken in by one fit.

A part is a block of the users in the order in which they are asked for. It lies beside the fit's
place in the cache until the fit has taken it in.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.loop import newcomers
from persongen_bench.loop.engines.devices import shown
from persongen_bench.loop.fit_home import context_of, users_of, views_of
from persongen_bench.loop.fit_key import fit_place
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.host import died
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.wall.resident import FitOrder
from persongen_bench.loop.wall.tenancy import Home, Tenancy
from persongen_bench.loop.wall.wire import CellDied, MethodFault
from persongen_bench.loop.world import World
from persongen_bench.util.batching import portion
from persongen_bench.util.cache_places import locked_entry, make_folder
from persongen_bench.util.files import write_atomic

FACTS = "part.json"
"""Of a part that is done: what it cost, and which models it used."""
FEWEST = 8
"""Users of a part, where there are as many."""
AT_ONCE = 2
"""Parts for each worker, so that one who is done early takes another."""


@dataclass(frozen=True)
class FitPart:
    """The ``place``-th of ``n`` parts of a run's fit, counted from 1."""

    config: RunConfig
    place: int
    n: int

    def users(self, world: World) -> tuple[str, ...]:
        """Its block of the users that are asked for and in the training view."""
        users = users_of(world, world.asked(self.config))
        return users[portion(len(users), self.place, self.n)]

    def folder(self, world: World) -> Path:
        """Where it lies."""
        return _parts(fit_place(self.config, world)) / f"{self.place}-of-{self.n}"


def goes_by_parts(facts: MethodFacts, world: World) -> bool:
    """Whether a fit can be made so: a method in a cell that wraps none and adapts no fit."""
    return facts.fits_in_parts and facts.base is None and not newcomers.adapts(facts, world)


def parts_for(config: RunConfig, world: World, n_workers: int) -> list[FitPart]:
    """The parts for so many workers; none where the method is fitted in one piece."""
    facts = facts_of_run(config)
    tenancy = Tenancy(config, facts, world, {})
    if n_workers < 2 or not goes_by_parts(facts, world) or not tenancy.walled:
        return []
    n = min(AT_ONCE * n_workers, -(-len(world.asked(config).users) // FEWEST))
    return [FitPart(config, place + 1, n) for place in range(n)] if n > 1 else []


def done_parts(fit: Path) -> dict[Path, dict[str, Any]]:
    """Folders of the parts of a fit that are done, and what each says of itself."""
    found = {}
    for file in sorted(_parts(fit).glob(f"*-of-*/{FACTS}")):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            found[file.parent] = {
                "seconds": float(facts["seconds"]), "peak_mb": float(facts["peak_mb"]),
                "roles": {str(k): str(v) for k, v in facts["roles"].items()},
                "refused": [str(one) for one in facts["refused"]],
            }  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # it is made again by the fit itself
    return found


def is_whole(fit: Path) -> bool:
    """Whether all parts of some division are done, so that the fit has little left to do."""
    names = {folder.name for folder in done_parts(fit)}
    sizes = {int(name.rpartition("-")[2]) for name in names}
    return any(all(f"{k + 1}-of-{n}" in names for k in range(n)) for n in sizes)


def make_part(
    part: FitPart, world: World, progress: Progress = no_progress, device: str = ""
) -> int:
    """Make a part that is not there; how many users it has. What was killed goes on."""
    folder, users = part.folder(world), part.users(world)
    make_folder(folder.parent)
    with locked_entry(folder):
        if folder not in done_parts(fit_place(part.config, world)):
            make_folder(folder)
            _learn(part, world, folder, progress, device)
    return len(users)


def _learn(part: FitPart, world: World, folder: Path, progress: Progress, device: str) -> None:
    config, facts = part.config, facts_of_run(part.config)
    context = context_of(config, world, facts)
    context = replace(context, users=part.users(world), checkpoints=folder, progress=progress)
    tenancy = Tenancy(
        config, facts, world, views_of(facts, world, context), (), (folder,), progress,
        shown(device, os.environ),
    )  # fmt: skip
    with open_home(tenancy) as home:
        seconds = timed_fit(home, FitOrder(None), context, facts.name) if context.users else 0.0
        said = {
            "seconds": round(seconds, 3), "peak_mb": round(home.peak_mb, 1),
            "roles": home.used, "refused": home.refused,
        }  # fmt: skip
    write_atomic(folder / FACTS, json.dumps(said).encode())


def timed_fit(home: Home, order: FitOrder, context: FitContext, name: str) -> float:
    """Fit; the seconds that it took. What a method raises is a `RunError`, one line."""
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


def summed(parts: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """What parts cost together: seconds of all, the highest peak, every model that one used."""
    facts: dict[str, Any] = {"seconds": 0.0, "peak_mb": 0.0, "roles": {}, "refused": []}
    for one in parts.values():
        facts["seconds"] += one["seconds"]
        facts["peak_mb"] = max(facts["peak_mb"], one["peak_mb"])
        facts["roles"] |= one["roles"]
        facts["refused"] += [said for said in one["refused"] if said not in facts["refused"]]
    return facts


def _parts(fit: Path) -> Path:
    return fit.with_name(f"{fit.name}.parts")


def remove_parts(fit: Path) -> None:
    """Once the fit has taken them in; there may be none."""
    if _parts(fit).is_dir():
        shutil.rmtree(_parts(fit))
