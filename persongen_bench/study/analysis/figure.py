"""The figure of a study: strengths with their intervals over people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards.figures import COLOURS, GREY, INK, figure_at, plain
from persongen_bench.study.analysis.results import Analysis, MethodResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def strengths_plot(analysis: Analysis, path: Path) -> None:
    """A panel per question, a line per method; grey: with nobody excluded.

    Raises:
        ConfigError: if no method was judged, or the file has another ending than a figure's.
    """
    judged = [
        (one, everybody)
        for one, everybody in zip(analysis.questions, analysis.everybody, strict=True)
        if one.methods
    ]
    if not judged:
        raise ConfigError(
            f"study {analysis.study}: no method was judged", fix="Wait for answers that count."
        )
    n_rows = max(len(one.methods) for one, _ in judged)
    with figure_at(path, (6.2 * len(judged), 1.3 + 0.36 * n_rows)) as figure:
        for k, (question, everybody) in enumerate(judged):
            axes = figure.add_subplot(1, len(judged), k + 1)
            beside = {method.method: method for method in everybody.methods}
            for y, method in enumerate(question.methods):
                if analysis.n_excluded:
                    _line(axes, beside[method.method], -y - 0.22, GREY)
                _line(axes, method, -y, COLOURS[0])
            axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
            letters = [f" ({m.group})" if m.group else "" for m in question.methods]
            names = [
                plain(f"{m.method}{s}") for m, s in zip(question.methods, letters, strict=True)
            ]
            axes.set_yticks([-y for y in range(len(names))], names)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            axes.grid(visible=False, axis="y")
            axes.set_ylim(-len(names) + 0.4, 0.6)
            axes.set_xlabel(
                f"strength (logit), {question.question}: {question.n_people} people", loc="right"
            )
        said = "95% intervals over people; letters: ties of win rates"
        grey = "; grey: nobody excluded" if analysis.n_excluded else ""
        figure.supxlabel(f"{said}{grey}", x=0.99, ha="right", fontsize=7.5, color=GREY)


def _line(axes: Axes, method: MethodResult, y: float, colour: str) -> None:
    at = method.strength
    if at.mean is None:
        return
    low, high = (at.mean if end is None else end for end in (at.low, at.high))
    axes.errorbar(
        [at.mean], [y], xerr=[[at.mean - low], [high - at.mean]], fmt="o", color=colour,
        elinewidth=1.4, markersize=5 if colour != GREY else 3.5, capsize=2.5, zorder=3,
    )  # fmt: skip
