"""Where the method of a run lives: in a cell; or here, where only this process knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Sample
from persongen_bench.loop import loras
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.facts import MethodFacts
from persongen_bench.loop.making import Made
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.answers import Answered, failed, joined, read, told
from persongen_bench.loop.wall.bounds import named_in
from persongen_bench.loop.wall.cell import Allowed, Furniture
from persongen_bench.loop.wall.desk import Desk
from persongen_bench.loop.wall.host import Cell, CellDied, MethodFault, died, wall_here
from persongen_bench.loop.wall.launch import SERVER
from persongen_bench.loop.wall.resident import Assignment, FitOrder, Resident
from persongen_bench.loop.wall.shown import ShownView
from persongen_bench.loop.wall.wire import Message
from persongen_bench.loop.world import World
from persongen_bench.util.execution import peak_memory_mb


@dataclass(frozen=True)
class Tenancy:
    """A run's method, and what it may see."""

    config: RunConfig
    facts: MethodFacts
    world: World
    views: Mapping[str, View]
    """By name; ``train`` is among them."""
    reads: tuple[Path, ...] = ()
    """Files that it may read besides: fits that it builds on."""
    writes: tuple[Path, ...] = ()
    """Folders of its own."""
    progress: Progress = no_progress

    @property
    def walled(self) -> bool:
        """Whether a process of its own can hold it: whether packages know method and stack."""
        known = (
            registry.entries("methods").get(self.facts.name),
            registry.entries("stacks").get(self.world.ref.stack),
        )
        return all(entry is not None and entry.installed for entry in known)


class Home(Protocol):
    """A place where a method works."""

    @property
    def wall(self) -> str:
        """What stands between the method and the rest, in words."""
        ...

    @property
    def used(self) -> dict[str, str]:
        """Models that it was given so far, role => signature."""
        ...

    @property
    def refused(self) -> list[str]:
        """What it tried to touch and must not, in words."""
        ...

    @property
    def peak_mb(self) -> float:
        """Peak of the memory of its process."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def fit(self, order: FitOrder, context: FitContext) -> None:
        """Fit it, and save it into ``order.output``; raises what it raised, or `MethodFault`."""
        ...

    def load(self, fit: Path) -> None:
        """Restore the fitted method."""
        ...

    def validation_loss(self) -> float:
        """Of the loaded method, which has one."""
        ...

    def make(self, asked: Asked, samples: Sequence[Sample]) -> Answered:
        """Answers to samples; whatever the method does, one each."""
        ...


def open_home(tenancy: Tenancy) -> Home:
    """The home of a run's method; a context, which ends what it started."""
    return Walled(tenancy) if tenancy.walled else Unwalled(tenancy)


class Unwalled:
    """Methods, or stacks, that are registered by this process alone work in it."""

    wall = "none: the method or the stack is in no package"

    def __init__(self, tenancy: Tenancy) -> None:
        self._resident = Resident(
            Assignment.of(tenancy.config), RecordingStack(tenancy.world.stack), tenancy.views
        )
        self.refused: list[str] = []

    @property
    def used(self) -> dict[str, str]:
        """Models that it was given so far."""
        return self._resident.stack.used

    @property
    def peak_mb(self) -> float:
        """Of this process."""
        return peak_memory_mb()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def fit(self, order: FitOrder, context: FitContext) -> None:
        """Fit and save."""
        noting = self._resident.stack.noting(context.features)
        self._resident.fit(order, replace(context, stack=self._resident.stack, features=noting))

    def load(self, fit: Path) -> None:
        """Restore the fitted method."""
        self._resident.load(fit)

    def validation_loss(self) -> float:
        """Of the loaded method."""
        return self._resident.validation_loss()

    def make(self, asked: Asked, samples: Sequence[Sample]) -> Answered:
        """Answers to samples."""
        before = Counter(asked.references.opened)
        made = self._resident.make(samples)
        answered = [s for s, one in zip(samples, made, strict=True) if isinstance(one, Made)]
        opened = asked.references.opened - before
        return Answered(made, self._resident.explain(answered), opened)


class Walled:
    """A cell and the desk that serves it; a cell that ends is followed by another."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._run = tenancy
        self._fit: Path | None = None
        world = tenancy.world
        stack = RecordingStack(world.stack)
        self._desk = Desk(world, tenancy.views, stack, everything=tenancy.facts.privileged)
        self.used: dict[str, str] = stack.used
        self.refused: list[str] = []
        self.peak_mb = 0.0
        SERVER.keep(world.ref.stack, tenancy.facts.roles)
        self._cell = self._moved_in()
        self.wall = wall_here()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cell.close()

    def fit(self, order: FitOrder, context: FitContext) -> None:
        """Fit and save."""
        assert context.checkpoints is not None
        allowed = Allowed(context.users, context.checkpoints, context.taste, context.targets)
        self._order("fit", order=order, allowed=allowed)

    def load(self, fit: Path) -> None:
        """Restore the fitted method, in this cell and in those that follow it."""
        self._fit = fit
        self._order("load", fit=fit)

    def validation_loss(self) -> float:
        """Of the loaded method."""
        loss = self._order("loss").fields.get("loss")
        if not isinstance(loss, int | float):
            raise RunError(f"method {self._run.facts.name} has a validation loss of {loss!r}")
        return float(loss)

    def make(self, asked: Asked, samples: Sequence[Sample]) -> Answered:
        """Answers to samples; a batch that ends the cell is narrowed down to who does."""
        try:
            return self._make(asked, samples)
        except CellDied:
            reason, killed = self._next_cell()
        except MethodFault as fault:
            reason, killed = str(fault), False
        if killed:
            try:
                return self._make(asked, samples)
            except CellDied:
                reason, killed = self._next_cell()
        if len(samples) > 1:
            return joined([self.make(asked, [sample]) for sample in samples])
        if killed:
            raise died(self._run.facts.name, f"{reason}, twice on one sample")
        return failed(reason)

    def _make(self, asked: Asked, samples: Sequence[Sample]) -> Answered:
        self._desk.attend(asked, samples)
        bare = [
            replace(s, request=replace(s.request, opener=None, model_opener=None)) for s in samples
        ]
        message = self._order("make", samples=bare, explains=self._run.facts.explains)
        made = read(message, self._run.config.output, len(samples))
        return Answered(made, told(message, samples), Counter(self._desk.opened))

    def _order(self, name: str, **arguments: Any) -> Message:  # noqa: ANN401  # of the order
        try:
            return self._cell.order(name, **arguments)
        finally:
            self.used |= self._cell.used
            self.peak_mb = max(self.peak_mb, self._cell.peak_mb)
            self.refused += [one for one in self._cell.refused if one not in self.refused]

    def _moved_in(self) -> Cell:
        run = self._run
        lora = loras.kept(run.world.lora)
        reads = (*run.reads, *([] if lora is None else [lora]), *named_in(run.config.method.config))
        views = {name: ShownView.of(view) for name, view in run.views.items()}
        loud = run.progress is not no_progress
        home = Furniture(Assignment.of(run.config), run.world.ref.stack, lora, views, loud)
        cell = Cell.start(
            self._desk.answer, reads, run.writes, open_code=run.facts.privileged,
            progress=run.progress,
        )  # fmt: skip
        try:
            cell.order("furnish", furniture=home)
        except CellDied:
            raise died(run.facts.name, cell.ended()) from None
        except BaseException:
            cell.close()
            raise
        return cell

    def _next_cell(self) -> tuple[str, bool]:
        """How the cell ended, and whether somebody killed it; there is a new one then."""
        reason = self._cell.ended()
        self._cell = self._moved_in()
        if self._fit is not None:
            self._order("load", fit=self._fit)
        return reason, "SIGKILL" in reason
