"""Tables for programs: every number in full precision, nothing left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from persongen_bench.core.plain import json_text, plain_in
from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards.budgets import budget_text
from persongen_bench.leaderboards.published import ReportedTable
from persongen_bench.leaderboards.standings import STANDINGS_VERSION, MethodRow, Standings
from persongen_bench.util.spreadsheet import cell

CSV_COLUMNS = (
    "board", "table", "block", "method", "rank", "rank_low", "rank_high", "ties", "metric", "mean",
    "low", "high", "n_units", "own_judge", "best", "signature", "seeds", "seed_sd", "n_expected",
    "n_ok", "p_block", "minimum_detectable_effect", "reason", "source", "caveat", "budget",
    "leaks",
)  # fmt: skip


def to_json(tables: Sequence[Standings], *, costs: bool = False) -> str:
    """``{"schema_version", "tables": [Standings, ...]}``; costs only where asked for.

    The open end of a column's range is null.
    """
    left_out = (
        None if costs else {"methods": {"__all__": {"cost"}}, "anchors": {"__all__": {"cost"}}}
    )
    documents = [table.model_dump(mode="json", exclude=left_out) for table in tables]
    return json_text(plain_in({"schema_version": STANDINGS_VERSION, "tables": documents}))


def to_csv(tables: Sequence[Standings], *, costs: bool = False) -> str:
    """Long form: one line per row and metric, then the reported and the refused.

    ``block``: methods, anchors, reported or refused; ``table`` tells tables of one board apart.
    Reported rows say where they come from. Lines of their own are costs, metric ``cost.<name>``,
    and what people said, ``<name> (people)``, with the study in place of a signature. A text that
    a spreadsheet would read as a formula gets a leading apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        key = content_hash(table.protocol, table.signatures)
        about = {"board": table.board.name, "table": key, "leaks": " ".join(table.leaks)}
        for line in _lines(table, costs=costs):
            writer.writerow({key: cell(value) for key, value in (about | line).items()})
    return buffer.getvalue()


def _lines(table: Standings, *, costs: bool) -> Iterator[dict[str, Any]]:
    for block, rows in (("methods", table.methods), ("anchors", table.anchors)):
        for row in rows:
            yield from _row_lines(block, row, table, costs=costs)
    for paper in table.reported:
        yield from _reported_lines(paper)
    for run in table.refused:
        label = run.label or run.run
        yield {"block": "refused", "method": label, "seeds": run.seed, "reason": run.reason}


def _reported_lines(paper: ReportedTable) -> Iterator[dict[str, Any]]:
    about = {
        "block": "reported",
        "source": paper.source,
        "caveat": f"{paper.caveat} ({paper.world})",
    }
    for row in paper.rows:
        for metric, mean in row.metrics.items():
            why = paper.differs.get(metric)
            caveat = about["caveat"] + (f"; not comparable: {why}" if why else "")
            number = {"method": row.method, "metric": metric, "mean": mean, "caveat": caveat}
            yield about | number


def _row_lines(
    block: str, row: MethodRow, table: Standings, *, costs: bool
) -> Iterator[dict[str, Any]]:
    effect = row.versus_first.minimum_detectable_effect if row.versus_first else None
    about = {
        "block": block,
        "method": row.label,
        "rank": row.rank,
        "rank_low": row.rank_low,
        "rank_high": row.rank_high,
        "ties": row.group,
        "seeds": " ".join(str(seed) for seed in row.seeds),
        "n_expected": row.n_expected,
        "n_ok": row.n_ok,
        "budget": budget_text(row.budget),
        "caveat": row.mark,
    }
    headline = {"seed_sd": row.seed_sd, "p_block": row.p_block, "minimum_detectable_effect": effect}
    for metric, signature in table.signatures.items():
        number = row.cells[metric].model_dump()
        only_there = headline if metric == table.board.headline else {}
        yield about | {"metric": metric, "signature": signature} | number | only_there
    for column in table.human:
        if row.label in column.cells:
            said = {"metric": f"{column.metric} (people)", "signature": f"study:{column.study}"}
            yield about | said | column.cells[row.label].model_dump()
    for name, value in row.cost.items() if costs else ():
        yield about | {"metric": f"cost.{name}", "mean": value}
