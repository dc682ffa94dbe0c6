"""Sweeps: rows whose labels differ in the value of one numeric option."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from persongen_bench.leaderboards.standings import MethodRow

_OPTIONS = re.compile(r"[^\[\]]+\[(?P<options>[^\[\]]+)\]")
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
"""A numeric value of an option as labels print it."""


@dataclass(frozen=True)
class Point:
    """One method in the plane; ``setting`` is its value within a sweep."""

    row: MethodRow
    setting: float | None = None


def families(rows: Sequence[MethodRow]) -> dict[str, list[Point]]:
    """Rows by family: ``rebeca[guidance_scale=1]``, ``...=3`` form one, in order of the value.

    Labels that differ in the value of a single numeric option belong together; where several
    options would do, the one that gathers most rows. A family of one is no sweep.
    """
    settings = {row.label: dict(settings_of(row.label)) for row in rows}
    sizes = Counter(family for values in settings.values() for family in values)
    result: dict[str, list[Point]] = defaultdict(list)
    for row in rows:
        values = settings[row.label]
        family = max(values, key=lambda name: sizes[name], default=row.label)
        if sizes[family] > 1:
            result[family].append(Point(row, values[family]))
        else:
            result[row.label].append(Point(row))
    return {
        name: sorted(points, key=lambda point: point.setting or 0.0)
        for name, points in result.items()
    }


def settings_of(label: str) -> Iterator[tuple[str, float]]:
    """Families that a label may belong to, ``rebeca[guidance_scale]``, with its value in each."""
    match = _OPTIONS.fullmatch(label)
    options = match["options"].split(",") if match else []
    for i, option in enumerate(options):
        key, _, value = option.partition("=")
        if re.fullmatch(NUMBER, value):
            others = [*options[:i], key, *options[i + 1 :]]
            yield f"{label.partition('[')[0]}[{','.join(others)}]", float(value)
