"""Nulls of permutation tests: a histogram, and where the observed statistic lies (000, Fig 3)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.cells import p_text
from persongen_bench.leaderboards.drawn.tables import Asked, Drawn, open_table, short, write_around
from persongen_bench.leaderboards.figures import COLOURS, GREY, INK, SOFT_GREY, figure_at, plain
from persongen_bench.loop.schema import Null, TestSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 12
_WIDE = 3


@dataclass(frozen=True)
class Panel:
    """One test of one run."""

    label: str
    name: str
    """Such as ``permutation.image@verifier``."""
    test: TestSummary
    null: Null


def null_figure(folder: Path, asked: Asked, path: Path) -> None:
    """A panel for each test of each run: the null's histogram, the observed value and its z.

    Raises:
        ConfigError: if no run keeps a null that fits, or more than `MOST_PANELS` do.
    """
    drawn = open_table(folder, asked)
    draw_nulls(drawn, list(panels(drawn, asked.test)), path)


def panels(drawn: Drawn, pattern: str) -> Iterator[Panel]:
    """The tests whose names fit and that keep their null, in the order of the table."""
    for row in drawn.rows:
        for run in drawn.runs_of(row):
            label = row.label if len(row.seeds) == 1 else f"{row.label} (seed {run.config.seed})"
            for name, test in run.summary.tests.items():
                if test.null is not None and fnmatchcase(name, pattern):
                    yield Panel(label, name, test, test.null)


def draw_nulls(drawn: Drawn, shown: list[Panel], path: Path) -> None:
    """Write the figure; errors as `null_figure`."""
    if not shown:
        raise ConfigError(
            "no run here keeps the null of such a permutation test",
            fix="Test it anew: `pgbench score RUN --permute verifier`.",
        )
    if len(shown) > MOST_PANELS:
        names = ", ".join(sorted({panel.name for panel in shown}))
        raise ConfigError(
            f"{len(shown)} tests are too many for one figure, at most {MOST_PANELS}",
            fix=f"Choose with --method and --test; tests are: {names}.",
        )
    wide = min(_WIDE, len(shown))
    high = -(-len(shown) // wide)
    with figure_at(path, (max(5.2, 3.6 * wide), 1.0 + 2.5 * high)) as figure:
        grid = figure.subplots(high, wide, squeeze=False)
        for axes, panel in zip(grid.flat, shown, strict=False):
            _panel(axes, panel)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("permutations")
        title = f"{drawn.board.title}: permutation tests of user and image"
        note = (
            f"{drawn.data}. Bars: the statistic over permutations; dashed: null mean; band: "
            "central 95% of the null; line: observed. z: observed less null mean, in standard "
            "deviations of the null. p = (1 + permutations at least as large) / (1 + permutations)."
        )
        write_around(figure, title, note)


def _panel(axes: Axes, panel: Panel) -> None:
    test, null = panel.test, panel.null
    low, high = null.quantiles.get("0.025"), null.quantiles.get("0.975")
    if low is not None and high is not None:
        axes.axvspan(low, high, color=COLOURS[0], alpha=0.10, linewidth=0)
    axes.stairs(null.counts, null.edges, fill=True, color=SOFT_GREY)
    axes.axvline(null.mean, color=GREY, linestyle="--", linewidth=1)
    axes.axvline(test.statistic, color=COLOURS[1], linewidth=1.8)
    reach = [*null.edges, test.statistic]
    pad = 0.06 * (max(reach) - min(reach) or 1.0)
    axes.set_xlim(min(reach) - pad, max(reach) + pad)
    axes.set_ylim(0, 1.45 * max(null.counts, default=1))
    axes.grid(visible=False, axis="x")
    z = "not defined" if test.z is None else f"{test.z:.2f}"
    said = f"observed {test.statistic:.4g}, z = {z}\np = {p_text(test.p_value)}"
    middle = (min(reach) + max(reach)) / 2
    left = test.statistic > middle
    axes.text(
        0.02 if left else 0.98, 0.97, said, transform=axes.transAxes, va="top",
        ha="left" if left else "right", fontsize=8, color=INK,
    )  # fmt: skip
    kind = panel.name.removeprefix("permutation.")
    by = f" by {test.instrument}" if test.instrument and "@" not in kind else ""
    reading = f": {test.reading}" if test.reading else ""
    images = "" if test.n_images is None else f", {test.n_images} images"
    axes.set_title(plain(short(panel.label, 44)), fontsize=8.5, loc="left", color=INK)
    said = textwrap.fill(f"{kind}{by}{reading}", 46)
    axes.set_xlabel(f"{said}\nB = {test.n_permutations}{images}", fontsize=7.5)
