"""`pgbench search`: fit a method at the points of a grid and keep that of smallest validation loss.

Nothing is generated and nothing held out is looked at: the loss is what the method says of rows of
its training view that it did not train on. Fits are those of `pgbench run`, kept in the cache by
all that changes them, so a search that was stopped goes on, and the run of its choice fits nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import pandas as pd
from pydantic import Field, ValidationError

from persongen_bench.api.campaign import Campaign
from persongen_bench.api.grids.points import Grid, check_grid, offered, points_of, without_twins
from persongen_bench.api.grids.reading import named_grid
from persongen_bench.api.local import as_choice
from persongen_bench.api.settings import Settings, campaign_of, execution_of
from persongen_bench.api.sweeping import values_of
from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, DataError, PgbenchError
from persongen_bench.core.method import Method, Selectable
from persongen_bench.core.plain import escaped
from persongen_bench.core.registry import Entry
from persongen_bench.core.regular_files import read_regular
from persongen_bench.loop.choice import Chosen, MethodChoice
from persongen_bench.loop.fit import fit_facts, fit_once
from persongen_bench.loop.fit_key import code_of
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.schema import Budget, DatasetRef, MethodRef
from persongen_bench.loop.terms import Terms, dataset_ref, run_config
from persongen_bench.loop.wall.homes import open_home
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.wall.tenancy import Tenancy
from persongen_bench.loop.world import World, load_world
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.files import write_atomic

VERSION = 1
MOST_BYTES = 1 << 24
"""Of the file of a search."""


class Point(Config):
    """One configuration that was tried."""

    options: dict[str, Any]
    """Its place in the grid."""
    loss: float | None = None
    """Validation loss; None: it could not be fitted."""
    fit_seconds: float | None = None
    failure: str = ""
    """Why it could not."""


class Search(Config):
    """What a search tried and chose: the file that `pgbench run --chosen` reads."""

    schema_version: int = VERSION
    method: MethodRef
    """The choice, with its full configuration and the budget of the search."""
    data: DatasetRef
    stack: str
    seed: int
    """Of the fits, and of the draw where not all points were tried."""
    points: tuple[Point, ...] = Field(min_length=1)
    """In the order in which they were tried."""
    left_out: tuple[str, ...] = ()
    """What the paper of a named grid searched besides, and why it was not searched here."""

    @property
    def best(self) -> Point:
        """The point of smallest loss; of equal ones the first."""
        return self.by_loss[0]

    @property
    def by_loss(self) -> list[Point]:
        """Smallest loss first, then those that could not be fitted."""
        return sorted(self.points, key=lambda p: math.inf if p.loss is None else p.loss)

    @property
    def choice(self) -> MethodChoice:
        """The method as chosen, to be run: ``pb.run(search.choice, ...)``."""
        chosen = None if self.method.budget is None else Chosen(self.method.budget, self.data)
        return MethodChoice(
            self.method.name, options=self.method.config, shown=self.method.label, chosen=chosen
        )

    def to_frame(self) -> pd.DataFrame:
        """A row per point: its options, ``loss, fit_seconds, failure``; smallest loss first."""
        rows = [{**p.options, **p.model_dump(exclude={"options"})} for p in self.by_loss]
        return pd.DataFrame(rows)

    def save(self, path: str | Path) -> Path:
        """Write it as JSON."""
        write_atomic(Path(path), escaped(self.model_dump_json(indent=1)).encode())
        return Path(path)

    @classmethod
    def read(cls, path: str | Path) -> Search:
        """What `save` wrote; `DataError` for anything else."""
        fix = "`pgbench search` writes one."
        try:
            return cls.model_validate_json(read_regular(Path(path), "search", MOST_BYTES))
        except DataError as error:
            raise DataError(str(error), fix=fix) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the text"
            raise DataError(f"{path}: not a search: {where}: {first['msg']}", fix=fix) from None


def search(
    method: str | type[Method],
    dataset: str = "tasteworld",
    *,
    grid: Mapping[str, Sequence[object]] | None = None,
    named: str | None = None,
    tries: int | None = None,
    **settings: Unpack[Settings],
) -> Search:
    """Fit a method at the points of a grid; never generates.

    Args:
        method: a registered name or a class; it must be a `core.method.Selectable`.
        dataset: a registered name.
        grid: option => values to try.
        named: a grid of a paper, see `grids.reading`; ``grid`` goes before it, option by option.
        tries: how many points are drawn; default: all are tried.
        settings: see `Settings`; ``options`` hold at every point, of ``seeds`` there is one, and
            what is said of runs and metrics does not matter.

    Raises:
        ConfigError: if the method has no validation loss, the grid is not one that it can choose
            by, or no point can be fitted.
    """
    name = as_choice(method)
    if not isinstance(name, str):
        raise ConfigError("a search takes a name or a class", fix="Say the rest as options.")
    campaign = campaign_of((name,), dataset, settings)
    if len(campaign.seeds) != 1 or campaign.sweep:
        raise ConfigError("a search has one seed and no sweep", fix="Say one seed.")
    cls = registry.get("methods", name)
    if not issubclass(cls, Selectable):
        fix = f"These have one: {', '.join(selectable()) or 'none'}."
        raise ConfigError(f"method {name} has no validation loss to choose by", fix=fix)
    of_paper, left_out = ({}, []) if named is None else offered(named_grid(named), cls)
    tried = {**of_paper, **values_of(grid or {}, "grid")}
    tried = {option: without_twins(values) for option, values in tried.items()}
    check_grid(name, _base(campaign).build(), tried)
    with execution_of(settings) as execution:
        return _Searching(campaign, execution, tried).search(tries, tuple(left_out))


def selectable() -> list[str]:
    """The methods that have a validation loss; those that do not load have none."""
    return [name for name, entry in registry.entries("methods").items() if _selectable(entry)]


def _selectable(entry: Entry) -> bool:
    try:
        cls = entry.load()
    except PgbenchError:
        return False
    return isinstance(cls, type) and issubclass(cls, Selectable)


def _base(campaign: Campaign) -> MethodChoice:
    """The method with the options that hold at every point."""
    name = str(campaign.methods[0])
    return MethodChoice(name, campaign.preset, campaign.options, prefer=campaign.prefer)


@dataclass(frozen=True)
class _Searching:
    campaign: Campaign
    execution: Execution
    grid: Grid

    @cached_property
    def world(self) -> World:
        """The data and models of the runs that the choice is meant for."""
        return load_world(self.campaign.world_ref(), self.execution.progress)

    @property
    def terms(self) -> Terms:
        """As the board's, but for its metrics, of which none is computed."""
        board = self.campaign.board
        return Terms(board.name, board.track, (), self.campaign.n_answers, board.n_history)

    def search(self, tries: int | None, left_out: tuple[str, ...]) -> Search:
        seed = self.campaign.seeds[0]
        asked = points_of(self.grid, tries, seed)
        with fixed_threads(self.campaign.threads):
            points = tuple(self._points(asked))
        fitted = [(point.loss, k) for k, point in enumerate(points) if point.loss is not None]
        if not fitted:
            raise ConfigError(
                f"none of {len(points)} points could be fitted; the first: {points[0].failure}"
            )
        data = dataset_ref(self.world)
        budget = Budget(
            grid=self.grid, n_tried=len(points), chosen_by=f"validation loss on {data.name}"
        )
        best = self._choice(points[min(fitted)[1]].options)
        ref = best.ref(facts_of(best), anchor=False).model_copy(update={"budget": budget})
        return Search(
            method=ref, data=data, stack=self.world.ref.stack, seed=seed, points=points,
            left_out=left_out,
        )  # fmt: skip

    def _points(self, asked: Sequence[dict[str, Any]]) -> Iterator[Point]:
        for options in self.execution.progress(asked, "fits", len(asked)):
            try:
                loss, seconds = self._tried(self._choice(options))
            except PgbenchError as error:
                yield Point(options=options, failure=str(error))
                continue
            if math.isfinite(loss):
                yield Point(options=options, loss=loss, fit_seconds=seconds)
            else:
                yield Point(
                    options=options, fit_seconds=seconds, failure=f"its validation loss is {loss}"
                )

    def _choice(self, options: Mapping[str, Any]) -> MethodChoice:
        base = _base(self.campaign)
        return MethodChoice(base.name, base.preset, {**base.options, **options}, prefer=base.prefer)

    def _tried(self, choice: MethodChoice) -> tuple[float, float]:
        """Validation loss of a fit, and the seconds it took when it was made."""
        world, facts = self.world, facts_of(choice)
        check_needs(world.stack, self.terms, [choice])
        config = run_config(
            world, self.terms, choice.ref(facts, anchor=False), seed=self.campaign.seeds[0],
            code=code_of(facts, world, self.terms.track), threads=self.campaign.threads,
        )  # fmt: skip
        folder = fit_once(config, world, self.execution)
        tenancy = Tenancy(config, facts, world, {"train": world.train}, reads=(folder,))
        with open_home(tenancy) as home:
            home.load(folder)
            return home.validation_loss(), float(fit_facts(folder)["fit_seconds"])
