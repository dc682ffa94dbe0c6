"""The audit of metrics for readers: a page, its pictures, and the numbers for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from persongen_bench.core.plain import escaped
from persongen_bench.core.plain import plain as visible
from persongen_bench.instruments.audit.rows import Audit, Estimate, MetricAudit
from persongen_bench.leaderboards.column import NOTHING
from persongen_bench.leaderboards.figures import figure_at, plain
from persongen_bench.leaderboards.render import escape_markdown
from persongen_bench.util.files import write_atomic
from persongen_bench.util.spreadsheet import csv_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE, NUMBERS, TABLE = "metric-audit.md", "metric-audit.json", "metric-audit.csv"
RANKS, FOOLED = "metric-audit.png", "metric-audit-fooled.png"
COMMAND = "pgbench audit metrics"
_HEADER = (
    "metric", "family", "over methods", "over users", "best method", "hacked", "taste when hacked",
    "fooled by",
)  # fmt: skip
_INTRODUCTION = """\
In a simulated world the true taste of every person is known, so a metric can be marked like an
exam. Each row is one metric, measured on the same images of the same people.

- **over methods**: Spearman correlation with true taste over the means of all methods and anchors
  of the board, oriented so that 1 is a perfect metric. A good metric ranks methods rightly.
- **over users**: the same over the people of one method, averaged over methods. It says whether
  the number of *one* person means anything; numbers of all images together have none.
- **hacked**: the value that a metric hacker reaches who knows the metric, takes the best of
  {n_candidates} candidates per image set and asks for nothing else (training items, the person's
  own history, blurred, oversaturated, tiled and other manipulated pictures).
- **taste when hacked**: the true taste of what the hacker makes. A metric worth optimising lifts
  it; {random} is what random items reach, {oracle} the oracle.
- **fooled by**: hackers (named by the metric they hack) and anchors that beat the truly best
  ranked method, {best}, on this metric although people like their images less (both p <=
  {alpha} divided by the number of hackers and anchors times metrics: the chance of any false
  entry is at most {alpha}).

Brackets: 95% intervals from resampled people, for these methods in this world. The ranking of
metrics is a fact about this world; a metric that fails here has failed under ideal conditions.
"""


def write(audit: Audit, folder: Path) -> list[Path]:
    """The page, the pictures, JSON and CSV into ``folder``; what was written."""
    write_atomic(folder / PAGE, markdown(audit).encode())
    write_atomic(folder / NUMBERS, escaped(audit.model_dump_json(indent=1) + "\n").encode())
    write_atomic(folder / TABLE, csv_bytes(audit.frame()))
    draw_ranks(audit, folder / RANKS)
    draw_fooled(audit, folder / FOOLED)
    return [folder / name for name in (PAGE, NUMBERS, TABLE, RANKS, FOOLED)]


def markdown(audit: Audit) -> str:
    """The whole page."""
    best = next(iter(audit.methods), NOTHING)
    introduction = _INTRODUCTION.format(
        n_candidates=audit.n_candidates,
        random=_number(audit.methods.get("random-item")),
        oracle=_number(audit.anchors.get("oracle")),
        best=f"{best} (true taste {_number(audit.methods.get(best))})",
        alpha=audit.alpha,
    )
    defined, undefined = audit.split()
    lines = [
        "# Which metrics can be trusted", "",
        f"<!-- Written by `{COMMAND}`; do not edit. -->", "", introduction,
        _made_of(audit), "",
        f"![Correlation with true taste, and true taste when hacked]({RANKS})", "",
        f"| {' | '.join(_HEADER)} |", "|---" * len(_HEADER) + "|",
        *(_line(row) for row in defined), "",
        "Which hacker (row) fools which metric (column):", "",
        f"![Who fools what]({FOOLED})", "",
    ]  # fmt: skip
    if undefined:
        names = ", ".join(f"`{visible(row.metric)}`" for row in undefined)
        lines += [f"Not defined in this world or at this number of images: {names}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _made_of(audit: Audit) -> str:
    world = audit.world
    return (
        f"Made by `{COMMAND}` on board {audit.board}: {audit.n_users} people, "
        f"{len(audit.methods)} ranked methods, {len(audit.anchors)} anchors, "
        f"{len(audit.hackers)} hackers, {world['n_images']} images each; data "
        f"{world['dataset']} {world['dataset revision']}."
    )


def _line(row: MetricAudit) -> str:
    fooled = f"{len(row.fooled_by)}: {_some(row.fooled_by)}" if row.fooled_by else "nobody"
    cells = (
        f"`{visible(row.metric)}`", visible(row.family),
        _estimate(row.over_methods), _estimate(row.over_users),
        _number(row.best_honest), _number(row.hacked), _number(row.hacked_taste),
        escape_markdown(fooled),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}" if abs(value) >= 10 else f"{value:.3f}"


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return NOTHING
    bounds = "" if estimate.low is None else f" [{estimate.low:.2f}, {estimate.high:.2f}]"
    return f"{estimate.value:.2f}{bounds}"


def summary_table(audit: Audit) -> Table:
    """The table for a terminal."""
    table = Table(box=None, pad_edge=False)
    for header in ("metric", "over methods", "over users", "taste when hacked", "fooled by"):
        table.add_column(header)
    for row in audit.split()[0]:
        table.add_row(
            Text(visible(row.metric)), Text(_estimate(row.over_methods)),
            Text(_estimate(row.over_users)),
            _number(row.hacked_taste), str(len(row.fooled_by)),
        )  # fmt: skip
    return table


def draw_ranks(audit: Audit, path: Path) -> None:
    """Two panels, a line per metric: correlations with the truth; true taste when hacked."""
    rows = audit.split()[0][::-1]
    with figure_at(path, (9.5, 1.2 + 0.2 * len(rows))) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        _intervals(left, [row.over_methods for row in rows], "over methods", "#0b5cad", 0.0)
        _intervals(left, [row.over_users for row in rows], "over users", "#c2410c", 0.28)
        left.axvline(0, color="#626b76", linewidth=0.8)
        left.set_xlim(-1.05, 1.05)
        left.set_ylim(-1, len(rows))
        left.set_xlabel("Spearman correlation with true taste")
        left.set_yticks(range(len(rows)), [plain(row.metric) for row in rows], fontsize=7)
        above: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1), "fontsize": 8}
        left.legend(ncols=2, **above)
        tastes = [np.nan if row.hacked_taste is None else row.hacked_taste for row in rows]
        right.barh(range(len(rows)), tastes, color="#7a8490", height=0.6)
        _references(right, audit)
        right.legend(ncols=3, **above)
        right.set_xlabel("true taste when hacked")
        right.set_xlim(0, 1)


def _intervals(
    axes: Axes, estimates: Sequence[Estimate], label: str, colour: str, shift: float
) -> None:
    known = [(k, e) for k, e in enumerate(estimates) if e.value is not None]
    if not known:
        return
    places = [k - shift for k, _ in known]
    values = np.array([e.value for _, e in known], dtype=float)
    bounds = np.array([[e.low, e.high] for _, e in known], dtype=float).T
    reach = np.clip(np.abs(bounds - values), 0, None)
    axes.errorbar(values, places, xerr=reach, fmt="o", ms=3, lw=0.9, color=colour, label=label)


def _references(axes: Axes, audit: Audit) -> None:
    best = next(iter(audit.methods), None)
    for name, value, style in (
        ("random-item", audit.methods.get("random-item"), ":"),
        (best, audit.methods.get(best or ""), "--"),
        ("oracle", audit.anchors.get("oracle"), "-"),
    ):
        if value is not None:
            axes.axvline(value, color="#15803d", linestyle=style, linewidth=1.0, label=name)


def draw_fooled(audit: Audit, path: Path) -> None:
    """A matrix: filled where the hacker or anchor of the row fools the metric of the column."""
    rows = audit.split()[0]
    cheats = [name for name in (*audit.anchors, *audit.hackers)
              if any(name in row.fooled_by for row in rows)]  # fmt: skip
    matrix = np.array([[cheat in row.fooled_by for row in rows] for cheat in cheats], dtype=float)
    matrix = matrix.reshape(len(cheats), len(rows)) if cheats else np.zeros((1, len(rows)))
    with figure_at(path, (2.5 + 0.17 * len(rows), 2.0 + 0.17 * max(1, len(cheats)))) as figure:
        axes = figure.subplots()
        axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1.4, aspect="auto", interpolation="none")
        axes.set_xticks(range(len(rows)), [plain(r.metric) for r in rows], rotation=90, fontsize=6)
        axes.set_yticks(range(len(cheats)), [plain(name) for name in cheats], fontsize=6)
        axes.grid(visible=False)
        axes.set_xlabel("metric")
        axes.set_ylabel("anchor, or hacker of")
