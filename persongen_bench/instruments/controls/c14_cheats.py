"""C14: no method that peeks, patches, refuses or answers by the batch is ranked unmarked.

The cheats are written as a package of somebody outside would be, installed for as long, and run
beside the honest method that they are built on: each has its numbers or worse ones, or is stopped,
or its row is marked. Copies of pictures are found by the copy search, whose own tests plant them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.instruments.checked_run import STACK, TERMS, cache_in
from persongen_bench.instruments.controls.base import ControlOptions, ControlResult
from persongen_bench.loop import run as loop_run
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.testing.disguise import disguised_world
from persongen_bench.testing.toy import write_folder

HONEST = "Honest"
CHEATS = ("Reads", "Imports", "Searches", "Patches", "Refuses", "Exempts", "Batches", "Privileged")
QUICK = ("Reads", "Patches", "Refuses", "Batches")
_CODE = """
import gc
import sys
from pathlib import Path
import pandas as pd
from persongen_bench.core.request import Failure
from persongen_bench.methods._items import FromCatalog, NoConfig, open_choices

DATA = Path({data!r})

class Some(NoConfig):
    strength: int = 1

class Honest(FromCatalog):
    def generate(self, samples):
        ids = self._train.catalog.ids
        chosen = [ids[int(s.rng().integers(len(ids)))] for s in samples]
        return open_choices(self._train, samples, chosen)

class Thief(Honest):
    def steal(self):
        raise NotImplementedError

    def generate(self, samples):
        try:
            catalog, log = self.steal()
        except Exception:
            return super().generate(samples)
        best = log.sort_values(["rating", "timestamp"]).groupby("user_id")["item_id"].last()
        return catalog.images([str(best[s.request.user_id]) for s in samples])

class Reads(Thief):
    def steal(self):
        log = pd.read_csv(DATA / "interactions.csv", dtype={{"user_id": str, "item_id": str}})
        return self._train.catalog, log

class Imports(Thief):
    def steal(self):
        from persongen_bench.core import registry
        loader = registry.get("datasets", "folder")
        data = loader.load(loader.Config(like_threshold=2), DATA)
        return data.catalog, data.interactions

class Searches(Thief):
    def steal(self):
        data = next(o for o in gc.get_objects() if type(o).__name__ == "Dataset")
        return data.catalog, data.interactions

class Patches(Honest):
    def generate(self, samples):
        for name in ("persongen_bench.metrics.taste.taste_gap", "persongen_bench.core.output"):
            try:
                __import__(name)
            except Exception:
                continue
        for name, module in list(sys.modules.items()):
            for value in list(vars(module).values()) if name.startswith("persongen_") else ():
                if isinstance(value, type) and "per_unit" in vars(value):
                    value.per_unit = lambda self, c: pd.Series(1.0, index=list(c.units))
        return super().generate(samples)

class Refuses(Honest):
    def generate(self, samples):
        made = super().generate(samples)
        return [Failure("filtered", "no") if s.index else m for s, m in zip(samples, made)]

class Exempts(Honest):
    def generate(self, samples):
        made = super().generate(samples)
        return [Failure("unscored", "no") if s.index else m for s, m in zip(samples, made)]

class Batches(Honest):
    def generate(self, samples):
        ids, n = self._train.catalog.ids, len(samples)
        return open_choices(self._train, samples, [ids[(7 * n + k) % len(ids)] for k in range(n)])

class Privileged(Honest):
    Config = Some

    @property
    def privileged(self):
        return bool(self.config.model_fields_set)

    def fit(self, train, context):
        super().fit(train, context)
        self._seen = context.held_out
"""
_NAME = "control-cheats"


@dataclass(frozen=True)
class Attempt:
    """What became of one cheat."""

    cheat: str
    stopped: bool
    marked: bool
    gain: float
    """Of the mean over the honest method's."""

    @property
    def ranked_unmarked(self) -> bool:
        """Whether it stands above what it is built on, and nothing says why."""
        return not self.stopped and not self.marked and self.gain > 0


def run(options: ControlOptions) -> ControlResult:
    """Run every cheat beside the honest method and count those that gain unmarked."""
    attempts = attempt(options.seed, QUICK if options.quick else CHEATS)
    through = [one.cheat for one in attempts if one.ranked_unmarked]
    stopped = sum(one.stopped for one in attempts)
    marked = sum(one.marked for one in attempts)
    without = len(attempts) - stopped - marked - len(through)
    return ControlResult(
        control="C14",
        title="no method that peeks, patches, refuses or answers by the batch is ranked unmarked",
        passed=not through,
        measured=f"of {len(attempts)} cheats {stopped} stopped, {marked} marked, {without} without "
        f"gain, {len(through)} ranked above the honest method{_named(through)}",
        expected="0 ranked above it unmarked",
    )


def attempt(seed: int, cheats: tuple[str, ...]) -> list[Attempt]:
    """What becomes of these cheats, on a toy world of this seed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = write_folder(disguised_world(seed), place / "data")
        with cache_in(place / "cache"), _installed(place / "site", data):
            world = load_world(WorldRef("folder", STACK, {"like_threshold": 2}, data))
            honest = _mean(_made(HONEST, world, place))
            return [_attempt(cheat, honest, world, place) for cheat in cheats]


def _attempt(cheat: str, honest: float, world: World, place: Path) -> Attempt:
    try:
        results = _made(cheat, world, place)
    except PgbenchError:
        return Attempt(cheat, stopped=True, marked=False, gain=0.0)
    marked = bool(results.summary.notes) or results.config.method.anchor
    return Attempt(cheat, stopped=False, marked=marked, gain=_mean(results) - honest)


def _made(cheat: str, world: World, place: Path) -> RunResults:
    choice = MethodChoice(f"{_NAME}/{cheat.lower()}")
    return loop_run.run(loop_run.Job(world, TERMS, choice), place / "runs")


def _mean(results: RunResults) -> float:
    return float(results.scores["value"].mean())


@contextmanager
def _installed(site: Path, data: Path) -> Iterator[None]:
    """The package of cheats, on the search path for as long."""
    about = site / "control_cheats-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 1.0\n")
    points = [f"{name.lower()} = control_cheats:{name}" for name in (HONEST, *CHEATS)]
    (about / "entry_points.txt").write_text("\n".join(["[persongen_bench.methods]", *points, ""]))
    (site / "control_cheats.py").write_text(_CODE.format(data=str(data)), encoding="utf-8")
    sys.path.insert(0, str(site))
    registry.read_anew()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        registry.read_anew()


def _named(cheats: list[str]) -> str:
    return f" ({', '.join(cheats)})" if cheats else ""
