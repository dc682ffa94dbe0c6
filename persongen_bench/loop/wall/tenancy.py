"""What a method's home must offer, and who lives there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Sample
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.answers import Answered
from persongen_bench.loop.wall.resident import FitOrder
from persongen_bench.loop.world import World


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
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment of its process: which device it sees."""

    @property
    def walled(self) -> bool:
        """Whether a process of its own can hold it; see `can_be_walled`."""
        return can_be_walled(self.facts, self.world.ref.stack)


def can_be_walled(facts: MethodFacts, stack: str) -> bool:
    """Whether a process of its own can hold a method: packages know it, its base and the stack."""
    return all(entry is not None and entry.installed for entry in _entries(facts, stack))


def is_ours(facts: MethodFacts, stack: str) -> bool:
    """Whether a method, its base and the stack are of this package, and under its tests."""
    return all(
        entry is not None and entry.distribution == registry.OWN_DISTRIBUTION
        for entry in _entries(facts, stack)
    )


def _entries(facts: MethodFacts, stack: str) -> list[registry.Entry | None]:
    found = [registry.entries("stacks").get(stack), registry.entries("methods").get(facts.name)]
    return found if facts.base is None else [*found, *_entries(facts.base, stack)]


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
