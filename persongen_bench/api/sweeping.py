"""Sweeps of `pgbench run`: one run for each combination of the values of some options."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeAlias

from persongen_bench.core.errors import ConfigError
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.util.said import shown

Sweep: TypeAlias = Mapping[str, tuple[object, ...]]
"""Option => its values."""
MOST_RUNS = 200
"""Of one sweep, over methods and seeds; more is a slip of the hand."""


def swept(choice: MethodChoice, sweep: Sweep) -> Iterator[MethodChoice]:
    """The method with every combination of the values, the last option's the fastest."""
    for values in product(*sweep.values()):
        yield replace(choice, options={**choice.options, **dict(zip(sweep, values, strict=True))})


def values_of(said: Mapping[str, Sequence[object]], what: str = "sweep") -> Sweep:
    """Lists of values as they were said; a text or a single number in place of one is refused."""
    for name, values in said.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConfigError(
                f"{what} of {shown(name)} is {shown(values)}", fix="Give a list of its values."
            )
    return {name: tuple(values) for name, values in said.items()}


def check_sweep(sweep: Sweep, methods: Sequence[str | MethodChoice], n_seeds: int) -> None:
    """Refuse a sweep that varies nothing, and one of more than `MOST_RUNS` runs."""
    named = [method for method in methods if isinstance(method, str)]
    if sweep and methods and not named:
        raise ConfigError(
            "the sweep has no method to vary: an instance and the choice of a search have options "
            "of their own",
            fix="Name the method.",
        )
    n_runs = math.prod(map(len, sweep.values())) * len(named) * n_seeds
    if sweep and n_runs > MOST_RUNS:
        raise ConfigError(
            f"the sweep makes {n_runs:,} runs, more than {MOST_RUNS}",
            fix="Give fewer values, or let `pgbench search` choose by validation loss.",
        )
