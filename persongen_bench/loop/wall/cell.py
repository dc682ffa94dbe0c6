"""What runs on the inner side of the wall: the process of one method.

``python -m persongen_bench.loop.wall.cell FD`` starts one from nothing; `server` forks them from a
process that has imported the libraries.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import T, no_progress
from persongen_bench.core.request import Sample
from persongen_bench.core.truth import KnownTaste
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.loop import loras
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.features import CatalogFeatures, FeatureStore
from persongen_bench.loop.making import Made
from persongen_bench.loop.method_facts import describe
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.wall import warm
from persongen_bench.loop.wall import wire as wires
from persongen_bench.loop.wall.answers import written
from persongen_bench.loop.wall.resident import Assignment, FitOrder, Resident
from persongen_bench.loop.wall.settling import Setup, settle
from persongen_bench.loop.wall.shown import ShownView
from persongen_bench.util.execution import fixed_threads, peak_memory_mb
from persongen_bench.util.guard import Guard

EVERY = 0.1
"""Seconds between two steps of a progress bar that are told."""


@dataclass(frozen=True)
class Furniture:
    """A run, and what its method may see."""

    config: Assignment
    stack: str
    lora: Path | None
    views: Mapping[str, ShownView]
    loud: bool = False
    """Whether somebody watches the progress."""


@dataclass(frozen=True)
class Allowed:
    """What of a `FitContext` is no view."""

    users: tuple[str, ...]
    checkpoints: Path
    taste: KnownTaste | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Path, ...] = ()


def main(wire: Connection, setup: Setup) -> None:
    """Serve orders until the other side closes the wire; never returns."""
    with contextlib.suppress(KeyboardInterrupt):
        guard = settle(setup)
        _serve(wire, Cell(wire, guard, setup))
    os._exit(0)


def _serve(wire: Connection, cell: Cell) -> None:
    while True:
        try:
            order, arguments = wires.take(wire)
        except (EOFError, OSError):
            return
        except Exception as error:  # noqa: BLE001  # a class that does not import here
            wires.send(wire, "failed", {**wires.fault(error), "type": ""})
            continue
        try:
            fields, blobs = getattr(cell, f"do_{order}")(**arguments)
        except BaseException as error:  # noqa: BLE001  # whatever a method raises, an exit too
            wires.send(wire, "failed", {**wires.fault(error), **cell.said()})
        else:
            wires.send(wire, "done", {**fields, **cell.said()}, blobs)


Answer = tuple[dict[str, Any], Sequence[bytes]]
"""Fields and blobs of a message."""


class Cell:
    """Does what it is ordered; asks the other side for pictures, features and models."""

    def __init__(self, wire: Connection, guard: Guard, setup: Setup) -> None:
        self._wire, self._guard, self._setup = wire, guard, setup
        self._resident: Resident | None = None
        self._shown: Mapping[str, View] = {}
        self._loud = False

    def said(self) -> dict[str, Any]:
        """What every answer tells besides: models used, what was refused, memory."""
        used = {} if self._resident is None else self._resident.stack.used
        return {"roles": used, "refused": self._guard.refused, "peak_mb": peak_memory_mb()}

    def ask(self, what: str, of: str, ids: Sequence[str]) -> Any:  # noqa: ANN401  # what is asked for
        """The other side's answer; raises what it raised."""
        wires.send(self._wire, "ask", {"what": what, "of": of, "ids": list(ids)})
        answer = wires.take(self._wire)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def do_facts(self, choice: MethodChoice) -> Answer:
        """The facts of a method, which is built for it."""
        return {"facts": describe(choice.build(), choice.name).document()}, ()

    def do_presets(self, method: str) -> Answer:
        """Names of the presets of a method."""
        return {"presets": list(registry.get("methods", method).presets)}, ()

    def do_furnish(self, furniture: Furniture) -> Answer:
        """Build the method of a run; it may see what came with the order."""
        stack = warm.stack(furniture.stack)
        if furniture.lora is not None:
            _, stack = loras.open_with(stack, furniture.lora)
        self._shown = {name: view.open(self.ask, name) for name, view in furniture.views.items()}
        self._loud = furniture.loud
        self._resident = Resident(furniture.config, RecordingStack(stack), self._shown)
        return {}, ()

    def do_fit(self, order: FitOrder, allowed: Allowed) -> Answer:
        """Fit, and save into ``order.output``."""
        resident, shown = self._at_home(), self._shown
        context = FitContext(
            resident.stack, resident.config.seed, self._features, users=allowed.users,
            checkpoints=allowed.checkpoints, held_out=shown.get("held_out"),
            validation=shown.get("validation"), taste=allowed.taste, targets=allowed.targets,
            parts=allowed.parts, progress=self._progress if self._loud else no_progress,
        )  # fmt: skip
        with fixed_threads(resident.config.threads):
            resident.fit(order, context)
        return {}, ()

    def do_load(self, fit: Path) -> Answer:
        """Restore the fitted method."""
        with fixed_threads(self._at_home().config.threads):
            self._at_home().load(fit)
        return {}, ()

    def do_loss(self) -> Answer:
        """Validation loss of the loaded method."""
        with fixed_threads(self._at_home().config.threads):
            return {"loss": self._at_home().validation_loss()}, ()

    def do_make(self, samples: Sequence[Sample], *, explains: bool) -> Answer:
        """Answers to samples, and what the method says of their requests."""
        resident = self._at_home()
        asked = [replace(sample, request=self._opened(sample)) for sample in samples]
        made, blobs, told = resident.make(asked), list[bytes](), list[dict[str, Any]]()
        for one in made:
            fields, own = written(one, resident.config.output)
            told.append(fields)
            blobs += own
        answered = [s for s, one in zip(asked, made, strict=True) if isinstance(one, Made)]
        said = [one.line() for one in resident.explain(answered)] if explains else []
        return {"made": told, "said": said}, blobs

    def _at_home(self) -> Resident:
        assert self._resident is not None
        return self._resident

    def _opened(self, sample: Sample) -> Any:  # noqa: ANN401  # a request
        request = sample.request
        return replace(
            request,
            opener=self._open_reference if request.reference else None,
            model_opener=self._open_model if request.model else None,
        )

    def _open_reference(self, item_id: str) -> Image:
        (image,) = self.ask("references", "", [item_id])
        opened: Image = image
        return opened

    def _open_model(self, model_id: str) -> Any:  # noqa: ANN401  # an adapter
        return self.ask("edited", "", [model_id])[0]

    def _features(self, role: str, view: View) -> Embeddings:
        """By the other side's store for what is shown here, else encoded here."""
        ids, base = view.catalog.ids, role.partition("/")[0]
        for name, shown in self._shown.items():
            if view.catalog.items.index.isin(shown.catalog.items.index).all():
                return self._rows(f"{name}/{role}", ids)
        everything = {item for shown in self._shown.values() for item in shown.catalog.ids}
        if everything.issuperset(ids):
            return self._rows(f"/{role}", ids)
        stack = self._at_home().stack
        stack.role(base)
        store = FeatureStore(self._setup.scratch / "features", stack.inner)
        return CatalogFeatures(view.catalog, store, self._setup.scratch).rows(role, ids)

    def _rows(self, of: str, ids: list[str]) -> Embeddings:
        rows: Embeddings = self.ask("features", of, ids)
        return rows

    def _progress(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterable[T]:
        return _told(
            items, lambda fields: wires.send(self._wire, "progress", fields), description, total
        )


def _told(
    items: Iterable[T],
    tell: Callable[[dict[str, Any]], None],
    description: str,
    total: int | None,
) -> Iterator[T]:
    """``items`` unchanged, told of to the other side as they pass."""
    import time

    bar, done, last = str(id(items)), 0, 0.0
    if total is None and isinstance(items, Sized):
        total = len(items)
    tell({"bar": bar, "description": description, "total": total, "done": 0})
    try:
        for item in items:
            yield item
            done += 1
            if time.monotonic() - last > EVERY:
                last = time.monotonic()
                tell({"bar": bar, "description": description, "total": total, "done": done})
    finally:
        tell({"bar": bar, "done": None})


if __name__ == "__main__":
    warm.libraries()
    opened = Connection(int(sys.argv[1]))
    main(opened, wires.take(opened))
