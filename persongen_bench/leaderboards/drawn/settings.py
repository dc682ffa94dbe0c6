"""Rows by the values of their options: the points of curves and the cells of grids."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.drawn.tables import Drawn
from persongen_bench.leaderboards.standings import MethodRow
from persongen_bench.leaderboards.sweeps import NUMBER


def _said(option: str, value: str) -> re.Pattern[str]:
    """Finds ``option=value`` between the brackets of a label, with the comma behind it."""
    return re.compile(rf"(?<=[\[,]){re.escape(option)}=({value})(?:,|(?=\]))")


def without(label: str, option: str) -> str:
    """A label without a numeric option: ``rebeca[a=1,b=x]`` is ``rebeca[b=x]`` without ``a``."""
    return _said(option, NUMBER).sub("", label).replace(",]", "]").removesuffix("[]")


def number_of(drawn: Drawn, row: MethodRow, option: str) -> float | None:
    """Value of a numeric option: as the label says, else the configuration; None: it has none."""
    match = _said(option, NUMBER).search(row.label)
    if match:
        return float(match[1])
    value = drawn.runs_of(row)[0].config.method.config.get(option)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text_of(drawn: Drawn, row: MethodRow, option: str) -> str | None:
    """Value of any option as text: of the configuration, else as the label says."""
    config = drawn.runs_of(row)[0].config.method.config
    if option in config:
        return str(config[option])
    match = _said(option, r"[^,\]]*").search(row.label)
    return match[1] if match else None


def swept(drawn: Drawn) -> list[str]:
    """Options that labels give several numbers, the most varied first."""
    values: dict[str, set[str]] = defaultdict(set)
    for row in drawn.rows:
        for option, value in re.findall(rf"(?<=[\[,])(\w+)=({NUMBER})(?=[,\]])", row.label):
            values[option].add(value)
    varied = [option for option in values if len(values[option]) > 1]
    return sorted(varied, key=lambda option: (-len(values[option]), option))


def chosen_options(drawn: Drawn, asked: Sequence[str], n: int) -> tuple[str, ...]:
    """The options asked for, else the most varied; `ConfigError` where there are not ``n``."""
    options = tuple(asked) or tuple(swept(drawn)[:n])
    if len(options) == n:
        return options
    there = ", ".join(swept(drawn)) or "none"
    sweep = " ".join(f"--sweep {name}=1,3" for name in ("a", "b")[:n])
    raise ConfigError(
        f"the figure needs {n} numeric option{'s' if n > 1 else ''} that differ between runs; "
        f"there {'are' if n > 1 else 'is'} {there}",
        fix=f"Make the runs with `pgbench run {sweep}`, and name options with --over.",
    )


def families(drawn: Drawn, options: Sequence[str]) -> Mapping[str, list[MethodRow]]:
    """Ranked rows that have all the options, by their label without them, in table order.

    A row whose label names the values stands before one that has them by default.
    """
    result: dict[str, dict[tuple[float, ...], MethodRow]] = defaultdict(dict)
    for row in sorted(drawn.rows, key=lambda one: not _names(one, options)):
        values = [number_of(drawn, row, option) for option in options]
        known = tuple(value for value in values if value is not None)
        if row.anchor or len(known) < len(options):
            continue
        name = row.label
        for option in options:
            name = without(name, option)
        result[name].setdefault(known, row)
    return {name: list(rows.values()) for name, rows in result.items()}


def _names(row: MethodRow, options: Sequence[str]) -> bool:
    return all(_said(option, NUMBER).search(row.label) for option in options)
