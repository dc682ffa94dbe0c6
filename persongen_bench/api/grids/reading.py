"""Named grids: what a paper searched, as far as our methods have its options."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss


class NamedGrid(Config):
    """A grid of a paper."""

    source: str
    """Where it is printed."""
    method: str
    """Ours, whose options it names."""
    grid: dict[str, tuple[Any, ...]]
    """Option => the values that were searched."""
    selected: dict[str, Any]
    """What the paper selected of them."""
    left_out: dict[str, str]
    """What it searched besides, and why it does not stand in ``grid``."""


def named_grid(name: str) -> NamedGrid:
    """The grid of that name; an unknown one raises `ConfigError` with those that there are."""
    file = _files().get(name)
    if file is None:
        raise ConfigError(
            f"no grid is called {name!r}",
            fix=near_miss(name, grid_names(), f"Grids are: {', '.join(grid_names())}."),
        )
    return NamedGrid.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))


def grid_names() -> tuple[str, ...]:
    """All of them."""
    return tuple(sorted(_files()))


def _files() -> dict[str, Traversable]:
    files = resources.files(__package__ or "").iterdir()
    return {Path(file.name).stem: file for file in files if file.name.endswith(".toml")}
