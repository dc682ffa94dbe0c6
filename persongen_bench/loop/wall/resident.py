"""A method at work: fitted, loaded and asked, with what it may see and nothing else around it.

The same code runs in a cell and, for methods that only this process knows, without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext, Method, NewcomerMethod, Selectable, Wrapper
from persongen_bench.core.output import kind_of
from persongen_bench.core.request import Failure, Sample
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.explaining import Explained, explained
from persongen_bench.loop.making import Made, Maker
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.util.execution import fixed_threads


@dataclass(frozen=True)
class Assignment:
    """What of a run its method is told."""

    choice: MethodChoice
    output: str
    """Kind of the answers."""
    seed: int
    threads: int

    @classmethod
    def of(cls, run: RunConfig) -> Assignment:
        """Of a run, without its data: where they lie is nothing that a method needs."""
        return cls(MethodChoice.of_run(run), run.output, run.seed, run.threads)


@dataclass(frozen=True)
class FitOrder:
    """Where a fit is made, and from which fits."""

    output: Path | None
    """New folder for what the method saves; None: what it leaves among its checkpoints is all."""
    base: Path | None = None
    """The fit of the method that it wraps."""
    adapted: Path | None = None
    """The fit without newcomers, to be adapted to ``support``."""


@dataclass
class Resident:
    """A method of a run, with its training view and its stack."""

    config: Assignment
    stack: RecordingStack
    """Notes what the method asks of it."""
    views: Mapping[str, View]
    """``train``; and for a fit to newcomers ``before``, the training view without them, and
    ``support``, what they bring."""
    method: Method = field(init=False)

    def __post_init__(self) -> None:
        """Build it, unfitted."""
        self.method = self.config.choice.build()

    def fit(self, order: FitOrder, context: FitContext) -> None:
        """Fit the method, or adapt a fit of it, and save it."""
        method, train = self.method, self.views["train"]
        if order.base is not None:
            assert isinstance(method, Wrapper)
            method.base.load(order.base, self.stack.inner, train)
        context = replace(context, base_fitted=order.base is not None)
        if order.adapted is None:
            method.fit(train, context)
        else:
            assert isinstance(method, NewcomerMethod)
            method.load(order.adapted, self.stack.inner, self.views["before"])
            method.adapt(self.views["support"], context)
        if order.output is not None:
            self.method.save(order.output)

    def load(self, fit: Path) -> None:
        """Restore the fitted method; what it asks of the stack from now on is noted."""
        self.method = self.config.choice.build()
        self.method.load(fit, self.stack, self.views["train"])

    def validation_loss(self) -> float:
        """Of a loaded method that has one."""
        assert isinstance(self.method, Selectable)
        return float(self.method.validation_loss())

    def make(self, samples: Sequence[Sample]) -> list[Made | Failure]:
        """Answer samples; what is drawn with an answer is drawn here too."""
        kind = kind_of(self.config.output)
        maker = Maker(self.method, kind, self.stack.inner, self.config.threads)
        return maker.make(samples)

    def explain(self, samples: Sequence[Sample]) -> list[Explained]:
        """What the method says of the requests of these samples; no answer hangs on it."""
        requests = {sample.request.request_id: sample.request for sample in samples}
        with fixed_threads(self.config.threads):
            return explained(self.method, requests.values())
