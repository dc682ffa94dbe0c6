"""Is this installation fit to run?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.leaderboards.board import read_boards
from persongen_bench.util import provenance
from persongen_bench.util.files import cache_root


@dataclass(frozen=True)
class Installation:
    """What was looked at, and what is wrong."""

    facts: Mapping[str, str]
    problems: tuple[str, ...]


def examine() -> Installation:
    """Import every registered thing, open every stack whose files are here."""
    facts = {key: str(value) for key, value in provenance.collect().items() if key != "command"}
    root = cache_root()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    facts["cache"] = f"{root} ({free:.1f} GB free)"
    return Installation(facts, (*_broken_entries(), *_broken_boards(), *_broken_stacks()))


def _broken_entries() -> Iterator[str]:
    """Registered implementations that do not import."""
    for kind in registry.KINDS:
        for entry in registry.entries(kind).values():
            try:
                entry.load()
            except PgbenchError as error:
                yield str(error)


def _broken_boards() -> Iterator[str]:
    """Boards whose files do not read."""
    _, broken = read_boards()
    yield from broken.values()


def _broken_stacks() -> Iterator[str]:
    """Stacks whose models do not open."""
    from persongen_bench.stacks.published.locate import MissingWeightsError

    for name in registry.entries("stacks"):
        try:
            _ = registry.get("stacks", name)().signature
        except MissingWeightsError:
            continue  # not fetched, which is no fault; `pgbench models where` says so
        except PgbenchError as error:
            yield f"stack {name}: {error}"
