"""The facts of methods: of our own by building them here, of all others by a cell that does."""

from __future__ import annotations

import json
from typing import Any

from persongen_bench.core import registry
from persongen_bench.core.errors import RunError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.method_facts import MethodFacts, describe
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.host import Cell, died
from persongen_bench.loop.wall.wire import CellDied, MethodFault

TRUSTED = (registry.OWN_DISTRIBUTION, registry.LOCAL)
"""Distributions whose code this process runs: the package itself, and what the caller defined."""


def facts_of(choice: MethodChoice) -> MethodFacts:
    """The facts of a method as it is chosen; code of other packages is not imported here.

    Raises `ConfigError` for options that do not fit, `RunError` where it cannot be built.
    """
    if _trusted(choice.name) and _trusted(choice.options.get("base")):
        return describe(choice.build(), choice.name)
    said = [choice.name, choice.preset, dict(choice.options), choice.prefer]
    key = json.dumps(said, sort_keys=True, default=str)
    if key not in _known:
        _known[key] = _described(choice)
    return _known[key]


def presets_of(name: str) -> tuple[str, ...]:
    """Names of the presets of a method; raises as `facts_of` does."""
    if _trusted(name):
        return tuple(registry.get("methods", name).presets)
    if name not in _presets:
        with Cell.start(lambda _: None) as cell:
            said = _asked(cell, name, "presets", method=name)
        _presets[name] = tuple(map(str, said)) if isinstance(said, list) else ()
    return _presets[name]


def _trusted(name: object) -> bool:
    """Whether a method's code may run here; who is not registered has none."""
    entry = registry.entries("methods").get(str(name))
    return entry is None or entry.distribution in TRUSTED


def facts_of_run(config: RunConfig) -> MethodFacts:
    """The facts of the method of a run.

    Raises `RunError` for one that sees held-out data, and did not say so when the run was begun.
    """
    facts = facts_of(MethodChoice.of_run(config))
    if facts.privileged and not config.method.anchor:
        raise RunError(f"method {config.method.name} says only now that it sees held-out data")
    return facts


_known: dict[str, MethodFacts] = {}
_presets: dict[str, tuple[str, ...]] = {}
"""What cells said so far; a package does not change while this process lives."""


def _described(choice: MethodChoice) -> MethodFacts:
    with Cell.start(lambda _: None) as cell:
        raw = _asked(cell, choice.name, "facts", choice=choice)
    try:
        return MethodFacts.of_document(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"method {choice.name} has no facts ({error})") from None


def _asked(cell: Cell, name: str, what: str, **arguments: object) -> Any:  # noqa: ANN401  # what a cell said
    """What a cell says of a method that it imports."""
    try:
        return cell.order(what, **arguments).fields.get(what)
    except MethodFault as fault:
        raise died(name, f"it cannot be built: {fault}") from None
    except CellDied:
        raise died(name, cell.ended()) from None
