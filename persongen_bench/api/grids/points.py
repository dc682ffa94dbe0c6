"""The points of a grid: which values may stand in it, and which of its points are tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from persongen_bench.api.grids.reading import NamedGrid
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import HasLossFields, Method
from persongen_bench.loop.choice import make_config
from persongen_bench.util.said import shown, whole

Grid: TypeAlias = dict[str, tuple[Any, ...]]
"""Option => the values to try."""
MOST_TRIES = 1000


def offered(named: NamedGrid, cls: type[Method]) -> tuple[Grid, list[str]]:
    """The grid of a paper as far as the method takes its values; a line for all that is left out.

    Raises `ConfigError` where the method has none of it.
    """
    grid: Grid = {}
    lines = [f"{what}: {why}" for what, why in named.left_out.items()]
    for option, values in named.grid.items():
        grid[option] = tuple(value for value in values if _takes(cls, option, value))
        refused = [str(value) for value in values if value not in grid[option]]
        if refused:
            lines.append(f"{option} {', '.join(refused)}: not offered by the method")
    grid = {option: values for option, values in grid.items() if values}
    if not grid:
        raise ConfigError(
            f"the method takes no value of the grid of {named.source}",
            fix=f"It is one of {named.method}.",
        )
    return grid, lines


def _takes(cls: type[Method], option: str, value: object) -> bool:
    try:
        make_config(cls.Config, {option: value}, "")
    except ConfigError:
        return False
    return True


def check_grid(name: str, method: Method, grid: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse an empty grid, and options that no validation loss can choose between."""
    if not grid:
        raise ConfigError("the grid is empty", fix="Name options and values: --grid KEY=V1,V2.")
    fields = type(method).Config.model_fields
    apart = method.loss_fields if isinstance(method, HasLossFields) else frozenset()
    for option in grid:
        if option not in fields:
            raise ConfigError(
                f"method {name} has no option {shown(option)}",
                fix=f"Options are: {', '.join(fields)}.",
            )
        if option in method.generate_fields:
            raise ConfigError(
                f"option {option} of {name} changes no fit, so no validation loss",
                fix="Vary it with `pgbench run --sweep`.",
            )
        if option in apart:
            raise ConfigError(
                f"losses at different {option} are of other rows or other things, not to compare",
                fix=f"Search each value by itself: -o {option}=VALUE.",
            )


def without_twins(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, each once, in order."""
    return tuple(value for k, value in enumerate(values) if value not in values[:k])


def points_of(grid: Grid, tries: int | None, seed: int) -> list[dict[str, Any]]:
    """The options of each point to try: all, in order, or so many drawn without replacement.

    The first points of a longer draw are those of a shorter one with the same seed.

    Raises:
        ConfigError: where all are more than `MOST_TRIES`, or ``tries`` is.
    """
    total = math.prod(map(len, grid.values()))
    if tries is not None:
        whole("tries", tries, 1, MOST_TRIES)
    if tries is None and total > MOST_TRIES:
        raise ConfigError(
            f"the grid has {total:,} points, more than {MOST_TRIES:,}",
            fix="Say how many of them to try (--tries), or give fewer values.",
        )
    values = (
        product(*grid.values()) if tries is None or tries >= total else _drawn(grid, tries, seed)
    )
    return [dict(zip(grid, point, strict=True)) for point in values]


def _drawn(grid: Grid, n: int, seed: int) -> Iterator[tuple[Any, ...]]:
    rng = np.random.default_rng(seed)
    seen: set[tuple[int, ...]] = set()
    while len(seen) < n:
        places = tuple(int(rng.integers(len(values))) for values in grid.values())
        if places not in seen:
            seen.add(places)
            yield tuple(values[k] for k, values in zip(places, grid.values(), strict=True))
