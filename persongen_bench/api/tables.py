"""The leaderboard as Python sees it: one object, every format.

What draws and what opens pictures is imported by the calls that do.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.later import pd
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.board import ALL
from persongen_bench.leaderboards.column import NOTHING
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.leaderboards.render import RenderOptions, render
from persongen_bench.leaderboards.standings import MethodRow, Standings
from persongen_bench.util.files import write_atomic

if TYPE_CHECKING:
    from persongen_bench.api.runs import Run
    from persongen_bench.leaderboards.compare import Comparison

RECOMMENDATION = "recommendation"
DRAWN = ("reference", "alignment", "model-editing")
"""Tracks whose requests say what to show, so that methods stand side by side in a picture."""
PLANE, STRIPS = "plane.png", "strips.png"


class Leaderboard(Sequence[Standings]):
    """The tables of a folder of runs; numbers that may not stand together stand apart."""

    def __init__(self, tables: Sequence[Standings], folder: Path | None = None) -> None:
        self.tables = tuple(tables)
        self._folder = folder

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401  # an index or a slice
        return self.tables[place]

    def __len__(self) -> int:
        return len(self.tables)

    def to_frame(self) -> pd.DataFrame:
        """One row per method and anchor of every table.

        Columns: ``board, method, block, rank, rank_low, rank_high, ties, n_ok, n_expected, p`` and
        for each metric ``name, name low, name high``; numbers are not rounded.
        """
        frame = pd.DataFrame([
            _line(table, block, row)
            for table in self.tables
            for block, rows in (("methods", table.methods), ("anchors", table.anchors))
            for row in rows
        ])  # fmt: skip
        ranks = ["rank", "rank_low", "rank_high"]
        numbers = frame.columns[list(frame.columns).index("p") :]
        return frame.astype({**dict.fromkeys(ranks, "Int64"), **dict.fromkeys(numbers, float)})

    def to_long_frame(self) -> pd.DataFrame:
        """One row per method and metric, the reported and the refused too: the CSV."""
        return pd.read_csv(io.StringIO(self.to_csv()))

    def to_csv(self) -> str:
        """Long form in full precision."""
        return render(self.tables, "csv")

    def to_json(self) -> str:
        """Everything in full precision."""
        return render(self.tables, "json")

    def to_latex(self) -> str:
        """``table*`` environments for booktabs."""
        return render(self.tables, "latex")

    def to_markdown(self) -> str:
        """GitHub-flavoured tables."""
        return render(self.tables, "markdown")

    def to_html(self) -> str:
        """A whole page."""
        return render(self.tables, "html")

    def to_text(self, width: int = 120) -> str:
        """For a terminal of so many columns."""
        return render(self.tables, "table", RenderOptions(width=width))

    def save(self, path: str | Path, form: str) -> Path:
        """Write one of the formats to a file, whole or not at all."""
        write_atomic(Path(path), render(self.tables, form).encode())
        return Path(path)

    def plot_precision_recall(self, path: str | Path) -> Path:
        """Precision against recall of the largest table, as PNG or SVG.

        Raises `ConfigError` where no row of it has both.
        """
        if not any(_has_pair(row) for row in self.largest.rows):
            raise ConfigError(
                f"no method of board {self.largest.board.name} has both precision and recall",
                fix="Choose another board (--board), or `pgbench score` the runs by them.",
            )
        from persongen_bench.leaderboards import pictures

        pictures.precision_recall_plot(self.largest, Path(path))
        return Path(path)

    def plot_forest(self, path: str | Path) -> Path:
        """Paired differences to the first method of the largest table, as PNG or SVG."""
        from persongen_bench.leaderboards import pictures

        pictures.forest_plot(self.largest, Path(path))
        return Path(path)

    def plot(self, path: str | Path) -> Path:
        """The largest table in the plane of its board's pair of metrics (`Board.plane`).

        Precision against recall where the board has none; errors as the two below.
        """
        plane = self.largest.board.plane
        return self.plot_plane(path, *plane) if plane else self.plot_precision_recall(path)

    def plot_plane(self, path: str | Path, x: str, y: str) -> Path:
        """One metric against another one, sweeps as curves, as PNG, PDF or SVG.

        Raises `ConfigError` for a metric that the largest table does not have.
        """
        from persongen_bench.leaderboards import pictures

        pictures.plane_plot(self.largest, Path(path), x, y)
        return Path(path)

    def draw_strips(self, path: str | Path) -> Path:
        """Requests of the largest table: what was liked, what to follow, a column a method (PNG).

        Of lists a strip for each method and user. Raises `ConfigError` where the answers are
        neither images nor lists of items with pictures.
        """
        if self._folder is None:
            raise ConfigError("the runs of this table are not at hand, so nothing can be drawn")
        from persongen_bench.leaderboards.request_gallery import draw_strips

        draw_strips(self.largest, self._folder, Path(path))
        return Path(path)

    def draw_requests(self) -> list[Path]:
        """Strips, and the plane where the board names one, beside the runs of a board.

        ``strips.png`` and ``plane.png`` in the folder of the board, on the tracks `DRAWN` and on
        ``recommendation``. None on other tracks, where fewer than two rows could stand in a
        picture, and where the items have no pictures.
        """
        table, runs = self.largest, self._folder
        if runs is None or len(table.rows) < 2 or not _has_strips(table, runs):
            return []
        folder = runs / table.board.name
        drawn = [self.draw_strips(folder / STRIPS)]
        return [self.plot(folder / PLANE), *drawn] if table.board.plane else drawn

    @property
    def largest(self) -> Standings:
        """The table with most rows: what a picture is drawn of."""
        return max(self.tables, key=lambda table: len(table.rows))

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        held = ", ".join(f"{t.board.name}: {len(t.rows)} methods and anchors" for t in self.tables)
        return f"<Leaderboard of {held}>"

    def _repr_html_(self) -> str:
        """For notebooks: the tables, rounded, without the page around them."""
        return "".join(_notebook_table(table) for table in self.tables)


def _has_strips(table: Standings, runs: Path) -> bool:
    if table.board.track == RECOMMENDATION:
        from persongen_bench.leaderboards.request_gallery import has_pictures

        return has_pictures(table, runs)
    return table.board.track in DRAWN


def leaderboard(
    runs: str | Path = "runs", board: str | None = None, metrics: Sequence[str] = ()
) -> Leaderboard:
    """Rank the runs below a folder, one table for all that may stand in one.

    Args:
        runs: searched for run directories at any depth.
        board: only this board.
        metrics: columns besides the boards' own, where a run has them; ``all``: all it has.

    Raises:
        RunError: if no run can stand in any table.
        ConfigError: for a metric that there is not.
    """
    for name in set(metrics) - {ALL}:
        parse_metric(name)
    return Leaderboard(collect(Path(runs), board, metrics), Path(runs))


def compare(first: Run | str | Path, second: Run | str | Path) -> Comparison:
    """Paired differences of two runs over their units, metric by metric.

    Raises `RunError` where they differ in data, split, stack or the definition of a metric.
    """
    from persongen_bench.api.runs import Run
    from persongen_bench.leaderboards import compare as comparing

    runs = [one if isinstance(one, Run) else Run.open(one) for one in (first, second)]
    return comparing.compare(runs[0].results, runs[1].results)


def _has_pair(row: MethodRow) -> bool:
    """Whether a row can stand in a picture of precision against recall, at some cut."""
    known = {name for name, cell in row.cells.items() if cell.mean is not None}
    cuts = {name.partition("@")[2] for name in known if name.startswith("precision@")}
    return any(f"recall@{cut}" in known for cut in cuts)


def _line(table: Standings, block: str, row: MethodRow) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for metric in table.metrics:
        cell = row.cells[metric]
        numbers |= {metric: cell.mean, f"{metric} low": cell.low, f"{metric} high": cell.high}
    return {
        "board": table.board.name, "method": row.label, "block": block, "rank": row.rank,
        "rank_low": row.rank_low, "rank_high": row.rank_high, "ties": row.group,
        "n_ok": row.n_ok, "n_expected": row.n_expected, "p": row.p_block, **numbers,
    }  # fmt: skip


def _notebook_table(table: Standings) -> str:
    frame = Leaderboard([table]).to_frame()
    bounds = [c for c in map(str, frame.columns) if c.endswith((" low", " high"))]
    shown = frame.drop(columns=["board", *bounds])
    heading = pd.Series([table.board.title]).to_frame().to_html(index=False, header=False)
    return heading + shown.to_html(index=False, float_format="{:.3f}".format, na_rep=NOTHING)
