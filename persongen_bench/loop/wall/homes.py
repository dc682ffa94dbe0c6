"""Where the method of a run lives: in a cell; or here, where only this process knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from persongen_bench.core.errors import RunError
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import no_progress
from persongen_bench.core.request import Sample
from persongen_bench.loop import loras
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.making import Made
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.wall import bubble, limits
from persongen_bench.loop.wall.answers import Answered, failed, joined, read, told
from persongen_bench.loop.wall.bounds import named_in
from persongen_bench.loop.wall.cell import Allowed, Furniture
from persongen_bench.loop.wall.desk import Desk
from persongen_bench.loop.wall.host import Cell, died, wall_here
from persongen_bench.loop.wall.launch import SERVER
from persongen_bench.loop.wall.resident import Assignment, FitOrder, Resident
from persongen_bench.loop.wall.shown import ShownView
from persongen_bench.loop.wall.tenancy import Home, Tenancy, can_be_walled
from persongen_bench.loop.wall.wire import CellDied, Message, MethodFault
from persongen_bench.util.execution import peak_memory_mb


def open_home(tenancy: Tenancy) -> Home:
    """The home of a run's method; a context, which ends what it started."""
    return Walled(tenancy) if tenancy.walled else Unwalled(tenancy)


def expect(facts: MethodFacts, stack: str) -> None:
    """Of a method that is about to be at work: libraries are imported while others go on."""
    if can_be_walled(facts, stack) and not bubble.asked_for():
        SERVER.start()


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
        self._n_late = 0
        if not bubble.asked_for():
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
        allowed = Allowed(
            context.users, context.checkpoints, context.taste, context.targets, context.parts
        )
        try:
            self._order("fit", order=order, allowed=allowed)
        except CellDied:
            raise CellDied(self._cell.ended()) from None

    def load(self, fit: Path) -> None:
        """Restore the fitted method, in this cell and in those that follow it."""
        self._fit = fit
        self._ordered("load", fit=fit)

    def validation_loss(self) -> float:
        """Of the loaded method."""
        loss = self._ordered("loss").fields.get("loss")
        if not isinstance(loss, float):
            raise RunError(f"method {self._run.facts.name} has a validation loss of {loss!r}")
        return loss

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

    def _ordered(self, name: str, **arguments: Any) -> Message:  # noqa: ANN401  # of the order
        """The same, where a fault of the method ends the run: one line."""
        try:
            return self._order(name, **arguments)
        except MethodFault as fault:
            raise died(self._run.facts.name, f"cannot {name}: {fault}") from None
        except CellDied:
            raise died(self._run.facts.name, f"cannot {name}: {self._cell.ended()}") from None

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
            progress=run.progress, variables=run.variables,
        )  # fmt: skip
        try:
            cell.order("furnish", furniture=home)
        except CellDied:
            raise died(run.facts.name, cell.ended()) from None
        except MethodFault as fault:
            cell.close()
            raise died(run.facts.name, f"it cannot be built: {fault}") from None
        except BaseException:
            cell.close()
            raise
        return cell

    def _next_cell(self) -> tuple[str, bool]:
        """How the cell ended, and whether somebody killed it; there is a new one then."""
        reason = self._cell.ended()
        self._n_late += self._cell.late
        if self._n_late > limits.MOST_LATE:
            raise died(self._run.facts.name, f"{reason}, {self._n_late} times")
        self._cell = self._moved_in()
        if self._fit is not None:
            self._ordered("load", fit=self._fit)
        return reason, "SIGKILL" in reason
