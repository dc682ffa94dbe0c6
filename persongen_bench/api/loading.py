"""Open one thing by name: a data set, a stack."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.dataset import Dataset
from persongen_bench.core.stack import Stack
from persongen_bench.loop.choice import make_config
from persongen_bench.util.files import data_root


def load_dataset(name: str, data: str | Path | None = None, **options: object) -> Dataset:
    """A data set, loaded and checked.

    Args:
        name: in the registry.
        data: its folder; default: where `pgbench` looks.
        options: as `pgbench show dataset NAME` lists them.

    Raises:
        DataError: if the data are not there or not in order.
    """
    loader = registry.get("datasets", name)
    config = make_config(loader.Config, options, f"dataset {name}")
    dataset: Dataset = loader.load(config, data_root(name) if data is None else Path(data))
    return dataset


def load_stack(name: str) -> Stack:
    """The frozen models of a stack; each is opened when it is asked for."""
    stack: Stack = registry.get("stacks", name)()
    return stack
