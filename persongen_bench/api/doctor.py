"""`pgbench doctor`: is this installation fit to run?"""

from __future__ import annotations

import shutil

from rich.console import Console
from rich.markup import escape

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.leaderboards.board import get_board
from persongen_bench.util import provenance
from persongen_bench.util.files import cache_root


def examine() -> bool:
    """Print the state of the installation; False where something is broken."""
    console = Console(highlight=False)
    for key, value in provenance.collect().items():
        if key != "command":
            console.print(f"{key:>10}  {escape(str(value))}")
    root = cache_root()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    console.print(f"{'cache':>10}  {escape(str(root))} ({free:.1f} GB free)")
    problems = [*_broken_entries(), *_broken_stacks()]
    for problem in problems:
        console.print(f"[red]{'problem':>10}[/red]  {escape(problem)}")
    console.print("everything imports" if not problems else f"{len(problems)} problems")
    return not problems


def _broken_entries() -> list[str]:
    """Registered implementations that do not import, and boards that do not read."""
    problems = []
    for kind in registry.KINDS:
        for entry in registry.entries(kind).values():
            try:
                get_board(entry.name) if kind == "boards" else entry.load()
            except PgbenchError as error:
                problems.append(str(error))
    return problems


def _broken_stacks() -> list[str]:
    """Stacks whose models do not open."""
    from persongen_bench.stacks.published.locate import MissingWeightsError

    found = []
    for name in registry.entries("stacks"):
        try:
            _ = registry.get("stacks", name)().signature
        except MissingWeightsError:
            continue  # not fetched, which is no fault; `pgbench models where` says so
        except PgbenchError as error:
            found.append(f"stack {name}: {error}")
    return found
