"""A method by name, preset and options: what the user chose, and what a run directory records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Method
from persongen_bench.core.near import near_miss
from persongen_bench.core.registry import LOCAL
from persongen_bench.core.stack import Stack
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import Budget, DatasetRef, MethodRef, RunConfig
from persongen_bench.util.privacy import without_folder
from persongen_bench.util.said import shown

Options = Mapping[str, object]


def make_config(model: type[Config], options: Options, owner: str) -> Any:  # noqa: ANN401  # the model's type
    """Validate options; an unknown or bad one is named with what was expected.

    Numbers are finite: a run records its options as JSON, which knows no others.
    """
    try:
        config = model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # options that are right one by one and not together
            raise ConfigError(f"{owner}: {problem}") from None
        option = ".".join(str(part) for part in first["loc"])
        known = ", ".join(model.model_fields)
        unknown = model.model_fields if first["type"] == "extra_forbidden" else ()
        raise ConfigError(
            f"{owner}: option {shown(option)} = {shown(options.get(option))}: {problem}",
            fix=near_miss(option, unknown, f"Options are: {known}."),
        ) from None
    for option in options:
        value = getattr(config, option, None)
        if isinstance(value, float) and not math.isfinite(value):
            problem = "Input should be a finite number"  # as pydantic says it
            raise ConfigError(f"{owner}: option {shown(option)} = {value}: {problem}")
    return config


@dataclass(frozen=True)
class Chosen:
    """That a search chose the options."""

    budget: Budget
    data: DatasetRef
    """Whose training view the search fitted to and chose by."""

    def check(self, revision: str, split_hash: str) -> None:
        """Refuse other rows of the same data: what is tested there may have been chosen by."""
        if revision == self.data.revision and split_hash != self.data.split_hash:
            raise ConfigError(
                f"the options were chosen on split {self.data.split} (seed "
                f"{self.data.split_seed}) of {self.data.name}, whose training rows are tested "
                f"in this one",
                fix="Search on the split that is run.",
            )


@dataclass(frozen=True)
class MethodChoice:
    """A method by name, a preset (else a preferred one) and options."""

    name: str
    preset: str | None = None
    options: Options = field(default_factory=dict)
    prefer: tuple[str, ...] = ()
    """Presets to use where the user named none: the first of these that the method has."""
    shown: str | None = None
    """Printed name, where it is not the method with its options."""
    chosen: Chosen | None = None
    """None: no search did."""

    @classmethod
    def of_run(cls, config: RunConfig) -> MethodChoice:
        """The method of a run, which records every option."""
        return cls(config.method.name, options=config.method.config)

    def build(self) -> Method:
        """The configured, unfitted method."""
        cls = registry.get("methods", self.name)
        values = {**self._preset(cls), **self.options}
        method: Method = cls(make_config(cls.Config, values, f"method {self.name}"))
        return method

    def _preset(self, cls: type[Method]) -> Options:
        if self.preset is None:
            return next((cls.presets[name] for name in self.prefer if name in cls.presets), {})
        if self.preset not in cls.presets:
            raise ConfigError(
                f"method {self.name} has no preset {self.preset!r}",
                fix=near_miss(
                    self.preset, cls.presets, f"Presets are: {', '.join(cls.presets) or 'none'}."
                ),
            )
        return cls.presets[self.preset]

    @property
    def label(self) -> str:
        """Printed name: the method with what the user set."""
        if self.shown is not None:
            return self.shown
        said = [
            f"{key}={without_folder(str(value))}" for key, value in sorted(self.options.items())
        ]
        if self.preset is not None and self.preset not in self.prefer:
            said.insert(0, f"preset={self.preset}")
        return f"{self.name}[{','.join(said)}]" if said else self.name

    @property
    def local(self) -> bool:
        """Whether the method is in no package: registered by this process."""
        return registry.entries("methods")[self.name].distribution == LOCAL

    def ref(self, facts: MethodFacts, *, anchor: bool) -> MethodRef:
        """How a run directory records it."""
        distribution = registry.entries("methods")[self.name].distribution
        return MethodRef(
            name=self.name,
            distribution=distribution,
            version="" if distribution == LOCAL else version(distribution),
            config=dict(facts.config),
            label=self.label,
            anchor=anchor or facts.privileged or bool(facts.unfair),
            budget=None if self.chosen is None else self.chosen.budget,
        )


def check_chosen(choices: Iterable[MethodChoice], revision: str, split_hash: str) -> None:
    """Refuse choices that were made on what is tested here; see `Chosen.check`."""
    for choice in choices:
        if choice.chosen is not None:
            choice.chosen.check(revision, split_hash)


def restore_method(config: RunConfig, train: View, fit: Path, stack: Stack) -> Method:
    """The fitted method of a run; it draws with ``stack``, the world's own or one that notes."""
    method = MethodChoice.of_run(config).build()
    method.load(fit, stack, train)
    return method
