"""Is this installation fit to run?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from persongen_bench.api.probing import imported_apart
from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.registry import Entry
from persongen_bench.core.seams import others_code
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
    """Registered implementations that do not import; those of others in a process of their own."""
    others: list[Entry] = []
    for kind in registry.KINDS:
        for entry in registry.entries(kind).values():
            if entry.problem or entry.distribution in (registry.OWN_DISTRIBUTION, registry.LOCAL):
                yield from _trouble(entry)
            else:
                others.append(entry)
    yield from imported_apart(others)


def _trouble(entry: Entry) -> Iterator[str]:
    try:
        entry.load()
    except PgbenchError as error:
        yield str(error)


def _broken_boards() -> Iterator[str]:
    """Boards whose files do not read."""
    _, broken = read_boards()
    yield from (text for name, text in broken.items() if "does not import" not in text)


def _broken_stacks() -> Iterator[str]:
    """Stacks whose models do not open."""
    from persongen_bench.stacks.published.locate import MissingWeightsError

    for name, entry in registry.entries("stacks").items():
        if entry.problem:
            continue  # told among the entries
        try:
            with others_code("it does not open"):
                _ = entry.load()().signature
        except MissingWeightsError:
            continue  # not fetched, which is no fault; `pgbench models where` says so
        except PgbenchError as error:
            yield f"stack {name}: {error}"
