"""What metrics need of the catalogue, checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from persongen_bench.core.errors import MissingRoleError, PgbenchError
from persongen_bench.core.metric_cards import ReadsColumns, parse_metric
from persongen_bench.core.roles import has_role, open_role
from persongen_bench.core.stack import Stack
from persongen_bench.loop.world import World


def check_columns(world: World, metrics: Sequence[str]) -> None:
    """Raise one error that names every metric that wants words which are not there.

    Raises:
        MissingRoleError: if items lack a column that a metric reads, such as captions, and the
            stack has no model that stands in.
    """
    tables = [view.catalog.items for view in (world.train, world.test)]
    wrong = []
    for metric in map(parse_metric, metrics):
        for column, role in metric.columns.items() if isinstance(metric, ReadsColumns) else ():
            n_empty, n_items = _empty(tables, column)
            if n_empty and not _works(world.stack, role):
                wrong.append(
                    f"metric {metric.info.name}: {n_empty:,} of {n_items:,} items have "
                    f"no {column}, and stack {world.stack.name} no {role}"
                )
    if wrong:
        raise MissingRoleError("; ".join(wrong), fix="Add them to the items, or leave these out.")


def _empty(tables: Sequence[pd.DataFrame], column: str) -> tuple[int, int]:
    """Items without a text in ``column``, and items in all."""
    cells = pd.concat([table.reindex(columns=[column])[column] for table in tables])
    cells = cells[~cells.index.duplicated()]
    return int((cells.astype(object).fillna("").astype(str).str.strip() == "").sum()), len(cells)


def _works(stack: Stack, role: str) -> bool:
    try:
        return has_role(stack, role) and bool(open_role(stack, role).signature)
    except PgbenchError:
        return False
