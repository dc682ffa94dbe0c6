"""The facts of methods: of our own by building them here, of all others by a cell that does."""

from __future__ import annotations

import json

from persongen_bench.core import registry
from persongen_bench.core.errors import RunError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.method_facts import MethodFacts, describe
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.host import Cell, CellDied, MethodFault, died

TRUSTED = (registry.OWN_DISTRIBUTION, registry.LOCAL)
"""Distributions whose code this process runs: the package itself, and what the caller defined."""


def facts_of(choice: MethodChoice) -> MethodFacts:
    """The facts of a method as it is chosen; code of other packages is not imported here.

    Raises `ConfigError` for options that do not fit, `RunError` where it cannot be built.
    """
    if registry.find("methods", choice.name).distribution in TRUSTED:
        return describe(choice.build(), choice.name)
    key = json.dumps(
        [choice.name, choice.preset, dict(choice.options), choice.prefer],
        sort_keys=True,
        default=str,
    )
    if key not in _known:
        _known[key] = _described(choice)
    return _known[key]


def facts_of_run(config: RunConfig) -> MethodFacts:
    """The facts of the method of a run."""
    return facts_of(MethodChoice(config.method.name, options=config.method.config))


_known: dict[str, MethodFacts] = {}
"""What cells said so far; a package does not change while this process lives."""


def _described(choice: MethodChoice) -> MethodFacts:
    with Cell.start(lambda _: None) as cell:
        try:
            return MethodFacts.of_document(cell.order("describe", choice=choice).fields["facts"])
        except MethodFault as fault:
            raise died(choice.name, f"it cannot be built: {fault}") from None
        except CellDied:
            raise died(choice.name, cell.ended()) from None
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"method {choice.name} has no facts ({error})") from None
