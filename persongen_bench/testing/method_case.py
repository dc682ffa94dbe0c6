"""A method under test: how the contract makes it, fits it on the toy world and asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from persongen_bench.core import registry
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.method import Method
from persongen_bench.core.output import ADAPTER, IMAGE, OutputKind, kind_of
from persongen_bench.core.request import Failure, Request, Sample, plan_samples
from persongen_bench.core.stack import Stack
from persongen_bench.testing.base import Contract
from persongen_bench.testing.disguise import disguised_world
from persongen_bench.testing.observe import disturbed_generators, printed
from persongen_bench.testing.require import require_answers, require_same
from persongen_bench.testing.toy import PROTOCOL, ToyStack, ToyWorld, toy_world

FIT_SEED = 7
PRESETS = ("check", "fast", "controlled", "sandbox")
"""Presets that the contract prefers to the defaults, in this order."""
COST_FIELDS = {"epochs": 2, "max_epochs": 2, "n_inference_steps": 4, "batch_size": 64}
"""Fields that mean the same in every method and set its cost: the contract tests promises, not
quality, so it lowers them to these values where no ``config`` is given."""

HELD_OUT_CHECKS = frozenset(
    {
        "test_holds_no_held_out_item",
        "test_held_out_data_do_not_matter",
        "test_opens_no_held_out_file",
    }
)
"""What a privileged anchor is excused from."""

Delivery = list[Any]
"""Per sample an answer of the method's kind, or a `Failure`."""


@dataclass(frozen=True)
class Fitted:
    """A fitted method, the world it was fitted on and what it delivers for every sample."""

    world: ToyWorld
    method: Method
    samples: list[Sample]
    delivery: Delivery

    @property
    def with_references(self) -> bool:
        """Whether the samples name pictures to follow."""
        return self.samples[0].request.reference is not None


class MethodCase(Contract):
    """The settings of `MethodContract` and what its checks share.

    Plain requests have a history and nothing else. A method that serves none of them is asked
    with a picture to follow and an instruction: see `ToyWorld.samples`.
    """

    subject: ClassVar[str] = "method"

    method: str | type[Method] = ""
    """Registered name, ``distribution/name`` for a plugin, or the class itself."""
    config: Mapping[str, object] | None = None
    """Configuration to test, exactly; None takes the first of `PRESETS` (else the defaults) with
    `COST_FIELDS` lowered, so that every method can be checked within a minute."""
    seed: int | None = None
    """Where set: the toy world is under other names and of another size (`disguise`)."""
    taste_floor: float | None = None
    """Where set: least mean true taste (0.05 to 0.95) of the images made for the planted users;
    for methods that make images."""

    def method_class(self) -> type[Method]:
        """The class under test."""
        if isinstance(self.method, str):
            registered: type[Method] = registry.get("methods", self.method)
            return registered
        return self.method

    def make(self) -> Method:
        """A new, unfitted method."""
        cls = self.method_class()
        values = _cheap(cls) if self.config is None else dict(self.config)
        method: Method = cls(cls.Config.model_validate(values))  # type: ignore[call-arg]
        return method

    def applies(self, check: str) -> bool:
        """What binds this method.

        Privileged anchors may hold held-out items; a floor binds where one is set; another process
        cannot make a method that only this one knows.
        """
        if check in HELD_OUT_CHECKS:
            return not self.method_class().privileged
        if check == "test_worker_does_not_matter":
            return not self._only_here()
        return check != "test_reaches_the_taste_floor" or self.taste_floor is not None

    def _only_here(self) -> bool:
        """Whether no other process can find the method, as one of a notebook."""
        if isinstance(self.method, str):
            return registry.find("methods", self.method).distribution == registry.LOCAL
        return "method" in vars(self)

    def stack(self) -> Stack:
        """The models to test with; override it for a method that the toy's cannot serve."""
        return ToyStack()

    def world(self, variant: int = 0, root: Path | None = None) -> ToyWorld:
        """The toy world, see `toy_world` and `disguise`, with the models of `stack`."""
        if self.seed is None:
            return replace(toy_world(variant, root), stack=self.stack())
        return replace(disguised_world(self.seed, variant, root), stack=self.stack())

    def kind(self) -> OutputKind:
        """What the method answers with; `ConfigError` where ``makes`` names no kind."""
        return kind_of(self.method_class().makes)

    def same(self, one: Delivery, other: Sequence[Any], promise: str) -> None:
        """Two deliveries are equal: images to the last bit, other answers by their digests."""
        if self.kind() is IMAGE:
            require_same(one, list(other), promise)
        else:
            require_same(printed(one, self.kind()), printed(other, self.kind()), promise)

    def delivery_from_state(self, folder: str, *, references: bool) -> list[str]:
        """Load, and generate in reverse order and two batches; the worker's side of a check."""
        world, method = self.world(), self.make()
        method.load(Path(folder), world.stack, world.train)
        backwards = self._asked(world, references=references)[::-1]
        parts = [method.generate(part) for part in (backwards[:5], backwards[5:])]
        return printed([answer for part in parts for answer in part][::-1], self.kind())

    def samples(self) -> list[Sample]:
        """Two samples for each user."""
        return list(self.fitted().samples)

    def fitted(self, name: str = "") -> Fitted:
        """A fit, made once; ``again`` and ``other held-out part`` name the two variations."""
        return self.once(f"fitted {name}", lambda: self._new_fit(name))

    def _new_fit(self, name: str) -> Fitted:
        if name == "again":
            with disturbed_generators():
                return self.fit(self.world())
        return self.fit(self.world(variant=1 if name else 0))

    def fit(self, world: ToyWorld) -> Fitted:
        """Fit a new method on ``world`` and let it generate."""
        method = self.make()
        method.fit(world.train, world.context(FIT_SEED, privileged=method.privileged))
        plain, following = (self._asked(world, references=asked) for asked in (False, True))
        try:
            delivery = _copied(method.generate(plain))
        except UnsupportedRequestError:
            return Fitted(world, method, following, _copied(method.generate(following)))
        if delivery and all(isinstance(answer, Failure) for answer in delivery):
            return Fitted(world, method, following, _copied(method.generate(following)))
        return Fitted(world, method, plain, delivery)

    def _asked(self, world: ToyWorld, *, references: bool) -> list[Sample]:
        """A method that answers with LoRAs is also given one to edit where it is asked for more."""
        edits = references and self.kind() is ADAPTER
        return world.samples(references=references, models=edits)

    def served_or_refused(self, request: Request) -> None:
        """Answers, failures or `UnsupportedRequestError`; any other end is a broken promise."""
        samples = plan_samples(PROTOCOL, [request])
        try:
            delivery = self.fitted().method.generate(samples)
        except UnsupportedRequestError:
            return
        require_answers(delivery, len(samples), self.kind())


def _cheap(cls: type[Method]) -> dict[str, object]:
    """The preferred preset, with the fields that set the cost lowered."""
    values = dict(next((cls.presets[name] for name in PRESETS if name in cls.presets), {}))
    chosen = cls.Config.model_validate(values).model_dump()
    lowered = {f: most for f, most in COST_FIELDS.items() if (chosen.get(f) or 0) > most}
    return values | lowered


def _copied(delivery: Sequence[Any]) -> Delivery:
    """Own copies, so that a method that reuses its arrays is compared with what it said then."""
    return [deepcopy(made) for made in delivery]
