"""A table as a site's document: its standings, its columns explained, its rows, its releases."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from persongen_bench.core.plain import LABEL, plain
from persongen_bench.leaderboards.export import to_json
from persongen_bench.leaderboards.rows import of_all_images
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.site.documents import BoardLink, BoardPage, ColumnCard, RowFacts, Values
from persongen_bench.site.fragility import fragile
from persongen_bench.site.gather import Table, day
from persongen_bench.util.spreadsheet import cell


def board_page(
    table: Table,
    tables: Sequence[Table],
    columns: tuple[ColumnCard, ...],
    n_pictures: Sequence[int],
    files: Mapping[str, Mapping[str, str]],
    notes: Sequence[str],
) -> BoardPage:
    """The document of a table.

    Args:
        table: which.
        tables: all of the site, for its releases.
        columns: `cards.column_cards`.
        n_pictures: thumbnails of each row.
        files: ``downloads`` and ``figures``, each by name the address below the root.
        notes: what could not be shown.
    """
    (standings,) = json.loads(to_json([table.standings], costs=True))["tables"]
    written = (*standings["methods"], *standings["anchors"])
    for row, own in zip(written, table.standings.rows, strict=True):
        for column in table.standings.human:
            if (found := column.cells.get(own.label)) is not None:
                row["cells"][column.key] = found.model_dump(mode="json")
    releases = table.releases(tables)
    return BoardPage(
        slug=table.slug,
        release=table.release,
        date=table.date,
        standings=standings,
        columns=columns,
        rows=tuple(
            _row(k, row, table, n_pictures[k], releases)
            for k, row in enumerate(table.standings.rows)
        ),
        fragile=fragile(table),
        history=tuple(
            {"slug": one.slug, "release": one.release, "date": one.date, "first": first_of(one)}
            for one in releases
        ),
        downloads=dict(files["downloads"]),
        figures=dict(files["figures"]),
        notes=tuple(notes),
        unit=table.unit,
    )


def board_link(table: Table) -> BoardLink:
    """A table as the index lists it."""
    shown = table.standings
    return BoardLink(
        slug=table.slug,
        name=plain(shown.board.name, LABEL),
        title=plain(shown.board.title, LABEL),
        release=table.release,
        data=plain(f"{shown.protocol['dataset']} {shown.protocol['dataset revision']}", LABEL),
        date=table.date,
        n_rows=len(shown.rows),
        n_runs=len(table.of_table),
        first=first_of(table),
    )


def first_of(table: Table) -> str:
    """Label of the row that ranks first; empty where none does."""
    methods = table.standings.methods
    return plain(methods[0].label, LABEL) if methods else ""


def _row(
    k: int, row: MethodRow, table: Table, n_pictures: int, releases: Sequence[Table]
) -> RowFacts:
    shown = table.standings
    return RowFacts(
        row=k,
        label=plain(row.label, LABEL),
        kind="method" if k < len(shown.methods) else "anchor",
        date=day(max(run.config.created for run in table.runs_of(row))),
        package=plain(f"{row.distribution} {row.version}", LABEL),
        complete=row.n_ok == row.n_expected
        and all(row.cells[metric].mean is not None for metric in shown.signatures),
        n_failed=row.n_expected - row.n_ok,
        n_pictures=n_pictures,
        history=tuple(one for release in releases for one in _earlier(row.label, release)),
    )


def _earlier(label: str, release: Table) -> list[dict[str, Any]]:
    """The row of a label in a release of the board: one, or none."""
    headline = release.standings.board.headline
    found = [row for row in release.standings.rows if row.label == label]
    return [
        {"release": release.release, "date": release.date, "rank": row.rank}
        | row.cells[headline].model_dump(include={"mean", "low", "high"})
        for row in found
    ]


def values_of(table: Table, metric: str, names: Mapping[str, str]) -> Values:
    """A column, unit by unit; ``names``: what is shown in place of a unit."""
    rows = (table.values(row, metric) for row in table.standings.rows)
    return Values(
        metric=metric,
        users=tuple(names[unit] for unit in table.units),
        values=tuple(tuple(None if v != v else v for v in own.tolist()) for own in rows),
    )


def values_csv(table: Table, names: Mapping[str, str]) -> str:
    """Every value of a table: a line for each unit and row, a column for each metric.

    Numbers of all images together are not in it, nor what people said in studies.
    """
    rows = table.standings.rows
    metrics = [metric for metric in table.standings.signatures if not of_all_images(metric)]
    values = {m: [table.values(row, m).tolist() for row in rows] for m in metrics}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["user" if table.unit == "person" else "prompt", "row", *map(cell, metrics)])
    labels = [cell(row.label) for row in rows]
    for k, unit in enumerate(table.units):
        shown = cell(names[unit])
        for n, label in enumerate(labels):
            numbers = (values[m][n][k] for m in metrics)
            writer.writerow([shown, label, *(cell(None if v != v else v) for v in numbers)])
    return buffer.getvalue()
