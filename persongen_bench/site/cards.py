"""Columns as a site explains them: the metric's card, and its line in an audit of metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import ConfigError, DataError, PgbenchError
from persongen_bench.core.metric_cards import card_of
from persongen_bench.core.metric_info import MetricInfo
from persongen_bench.core.plain import plain
from persongen_bench.core.regular_files import read_regular
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.people import NOTE, text_columns
from persongen_bench.leaderboards.rows import of_all_images
from persongen_bench.leaderboards.standings import HumanColumn
from persongen_bench.site.documents import ColumnCard
from persongen_bench.site.gather import Table

MOST_BYTES = 1 << 26
"""Of the file of an audit."""
SHOWN = (
    "over_methods", "over_users", "best_honest", "hacked", "hacked_taste", "fooled_by",
)  # fmt: skip
"""Of a metric's line in an audit."""
HOW = Column(metric="what people said")
"""How their numbers are printed."""
FIX = "Take the metric-audit.json that `pgbench audit metrics` writes."


def read_audit(path: Path) -> dict[str, dict[str, Any]]:
    """Printed name of a metric => its line in the audit that ``pgbench audit metrics`` exported.

    Raises `ConfigError` for any other file.
    """
    try:
        said = json.loads(read_regular(path, "JSON", MOST_BYTES))
        about = {"board": str(said["board"]), "n_users": int(said["n_users"])}
        return {
            str(row["metric"]): {**{name: row[name] for name in SHOWN}, **about}
            for row in said["rows"]
        }
    except (DataError, OSError) as error:
        raise ConfigError(f"{path}: {error}", fix=FIX) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{path}: not an audit of metrics", fix=FIX) from None


def column_cards(table: Table, audit: Mapping[str, dict[str, Any]]) -> tuple[ColumnCard, ...]:
    """One for every metric that some row has, in the order of the standings' signatures.

    Then those of what people said.
    """
    shown = table.standings
    cards = []
    for metric, signature in shown.signatures.items():
        column = shown.board.column(metric)
        info, text = _card(metric)
        cards.append(
            ColumnCard(
                metric=metric,
                header=column.header,
                decimals=column.decimals,
                exponent=column.exponent,
                direction=column.direction,
                headline=metric == shown.board.headline,
                card=text,
                does_not_show=plain(info.shows_not) if info else "",
                signature=signature,
                audit=audit.get(metric, {}),
                by_user=not of_all_images(metric),
            )
        )
    return (*cards, *_of_people(shown.human))


def _of_people(columns: Sequence[HumanColumn]) -> list[ColumnCard]:
    """What people said in studies: a column each, named by its key."""
    return [
        ColumnCard(
            metric=column.key,
            header=text.header,
            decimals=HOW.decimals,
            exponent=HOW.exponent,
            direction=column.direction,
            headline=False,
            card=NOTE,
            does_not_show="What others would say who were not asked.",
            signature=f"study {column.study}, {column.person} persons",
            audit={},
            by_user=False,
            human=True,
        )
        for column, text in zip(columns, text_columns(columns), strict=True)
    ]


def _card(metric: str) -> tuple[MetricInfo | None, str]:
    """Of a metric; None and nothing of a package that is not here."""
    try:
        card = card_of(metric)
    except PgbenchError:
        return None, ""
    return card.info, plain(card.summary)
