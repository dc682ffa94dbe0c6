"""The data behind a table, opened without its models: a site draws nothing and measures nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from persongen_bench.core.errors import ConfigError, MissingRoleError
from persongen_bench.core.progress import Progress
from persongen_bench.datasets.supports import with_new_people
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World, WorldRef, load_data


class NoModels:
    """In place of a stack, whose weights need not be on the machine that makes a site."""

    name = "none"
    roles: tuple[str, ...] = ()
    signature = "none"

    def role(self, name: str) -> Any:  # noqa: ANN401  # there is none
        """Raises `MissingRoleError`."""
        raise MissingRoleError(f"a site has no models, so no {name}")


def open_data(config: RunConfig, root: Path | None, progress: Progress) -> World:
    """The data and the split of a run.

    Args:
        config: of the run.
        root: where the data lie; None: where this machine remembers.
        progress: bars.

    Raises:
        ConfigError: where they are not what they were.
        PgbenchError: where they do not open.
    """
    said = config.dataset
    place = root or (None if said.root is None else Path(said.root))
    ref = WorldRef(said.name, NoModels.name, said.options, place, said.split, said.split_seed)
    dataset = with_new_people(load_data(ref.dataset, ref.options, ref.root))
    split = dataset.split(ref.split, ref.split_seed)
    if (dataset.revision, split.hash) != (said.revision, said.split_hash):
        raise ConfigError(f"the data or the split of {said.name} changed since the runs were made")
    return World(ref, dataset, split, NoModels(), progress)
