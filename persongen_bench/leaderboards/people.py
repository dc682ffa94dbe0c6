"""Columns of what people said: beside the metrics, with their own people, never ranked by.

A column is of one study: what people of different studies said is not comparable, so the same
number of two studies stands in two columns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from persongen_bench.leaderboards.cells import TextCell, TextColumn
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.standings import Cell, HumanColumn
from persongen_bench.loop.human import Judged, bounds
from persongen_bench.loop.results import RunResults

_SHORT = 8
"""Digits of a study's id in a header, where several studies have the same number; more where these
are the same."""
NOTE = (
    "(people): what people said in a study, with their number and the interval over them; it does "
    "not rank."
)


def human_columns(chosen: Mapping[str, Sequence[RunResults]]) -> tuple[HumanColumn, ...]:
    """The columns of the rows' studies, by metric and study.

    A study judges one run of a method: where two of a row's runs hold its number, there is none.

    Args:
        chosen: label of a row => its runs.
    """
    found: dict[tuple[str, str], dict[str, list[Judged]]] = {}
    for label, runs in chosen.items():
        for run in runs:
            for one in run.human.judged if run.human else ():
                found.setdefault((one.metric, one.study), {}).setdefault(label, []).append(one)
    return tuple(
        HumanColumn(
            metric=metric,
            study=study,
            person=next(iter(rows.values()))[0].person,
            direction="higher" if "win-rate" in metric else "lower",
            cells={label: _cell(own[0]) for label, own in rows.items() if len(own) == 1},
        )
        for (metric, study), rows in sorted(found.items())
    )


def _cell(judged: Judged) -> Cell:
    return Cell(mean=judged.mean, low=judged.low, high=judged.high, n_units=judged.n)


def text_columns(columns: Sequence[HumanColumn]) -> tuple[TextColumn, ...]:
    """As they are printed, marked as of people."""
    metrics = [column.metric for column in columns]
    names = _short({column.study for column in columns})
    said = [f" of {names[c.study]}" if metrics.count(c.metric) > 1 else "" for c in columns]
    return tuple(
        TextColumn(column.key, f"{column.metric} (people{of})", 5)
        for column, of in zip(columns, said, strict=True)
    )


def _short(studies: Collection[str]) -> dict[str, str]:
    """The beginnings of the studies' ids, as long as it takes for all to differ."""
    for n in range(_SHORT, max(map(len, studies), default=_SHORT)):
        found = {study: study[:n] for study in studies}
        if len(set(found.values())) == len(studies):
            return found
    return {study: study for study in studies}


def text_cells(columns: Sequence[HumanColumn], label: str) -> dict[str, TextCell]:
    """Those of one row; one without a number is not judged."""
    found = {}
    for column in columns:
        cell = column.cells.get(label)
        if cell is None:
            continue
        how = Column(metric=column.metric, range=bounds(column.metric))
        ends = [how.format(end) for end in (cell.low, cell.high) if end is not None]
        interval = f"[{', '.join(ends)}]" if len(ends) == 2 else ""
        found[column.key] = TextCell(how.format(cell.mean), interval, n_units=cell.n_units)
    return found


def notes(columns: Sequence[HumanColumn]) -> tuple[str, ...]:
    """What is said below a table that has such columns."""
    if not columns:
        return ()
    studies = ", ".join(dict.fromkeys(f"{c.study} ({c.person} persons)" for c in columns))
    return (f"{NOTE} Studies: {studies}.",)
