"""Open one thing by name: a data set, a stack."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.dataset import Dataset
from persongen_bench.core.stack import Stack
from persongen_bench.loop.world import load_data


def load_dataset(name: str, data: str | Path | None = None, **options: object) -> Dataset:
    """A data set, loaded and checked.

    Args:
        name: in the registry.
        data: its folder; default: where `pgbench` looks.
        options: as `pgbench show dataset NAME` lists them.

    Raises:
        DataError: if the data are not there or not in order.
    """
    return load_data(name, options, None if data is None else Path(data))


def load_stack(name: str) -> Stack:
    """The frozen models of a stack; each is opened when it is asked for."""
    stack: Stack = registry.get("stacks", name)()
    return stack
