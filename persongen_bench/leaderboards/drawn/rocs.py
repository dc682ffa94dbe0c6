"""ROC curves of the verifiers that judge, with bands over users (001, Fig 9)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.leaderboards.drawn.opened import evaluation_of, world_of
from persongen_bench.leaderboards.drawn.tables import Asked, open_table, write_around
from persongen_bench.leaderboards.figures import COLOURS, GREY, figure_at
from persongen_bench.metrics._verifier.rated import Side
from persongen_bench.metrics.taste.verifier import Verifier
from persongen_bench.metrics.taste.verifier_split_auc import verifier_roc
from persongen_bench.stats import Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VERIFIERS = 3
DEFAULT = "verifier"


def roc_figure(folder: Path, asked: Asked, path: Path) -> None:
    """A panel for each verifier: its curve on the ratings it knows, and on held-out ones.

    ``asked.metrics`` name the verifiers, such as ``verifier@neumf``; the runs need not have been
    scored by them, but their data and the stack's files must be there.

    Raises:
        ConfigError: for a metric that is no verifier, or where no curve can be drawn.
    """
    names = asked.metrics or (DEFAULT,)
    models = [_model(name) for name in names]
    if len(models) > MOST_VERIFIERS:
        raise ConfigError(f"a figure has room for {MOST_VERIFIERS} verifiers, not {len(models)}")
    drawn = open_table(folder, asked.model_copy(update={"metrics": ()}))
    context = evaluation_of(next(iter(drawn.runs.values())), world_of(drawn, asked))
    with figure_at(path, (1.0 + 3.6 * len(names), 4.4)) as figure:
        grid = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name, model in zip(grid, names, models, strict=True):
            curves = {side: verifier_roc(context, model, side) for side in get_args(Side)}
            known = {s: c for s, c in curves.items() if c is not None and not np.isnan(c.auc)}
            if not known:
                raise ConfigError(f"{name}: no ratings hold both likes and dislikes to rank")
            draw_rocs(axes, name, known)
        note = (
            f"{drawn.data}. All ratings in one list; bands and brackets: {_BANDS}; diagonal: "
            "chance. Training ratings are those that the verifier has learned."
        )
        write_around(figure, f"{drawn.board.title}: ROC of {', '.join(names)}", note)


_BANDS = "95% intervals over resampled users"


def _model(name: str) -> str:
    metric = parse_metric(name)
    if not isinstance(metric, Verifier):
        raise ConfigError(f"{name} is no verifier", fix="Write --metric verifier@neumf, say.")
    return metric.model


def draw_rocs(axes: Axes, name: str, curves: dict[Side, Roc]) -> None:
    """The curves of one verifier, with the areas in the legend."""
    for (side, curve), colour in zip(curves.items(), COLOURS, strict=False):
        area = f"{curve.auc:.3f}"
        if not np.isnan(curve.auc_low):
            area += f" [{curve.auc_low:.3f}, {curve.auc_high:.3f}]"
            axes.fill_between(curve.fpr, curve.low, curve.high, color=colour, alpha=0.15,
                              linewidth=0)  # fmt: skip
        label = f"{side if side == 'held-out' else 'training'} ratings\nAUC {area}"
        axes.plot(curve.fpr, curve.tpr, color=colour, linewidth=1.5, label=label)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.9)
    axes.set_title(name, fontsize=8.5, loc="left")
    axes.set_xlabel("share of dislikes above the threshold")
    axes.set_ylabel("share of likes above it")
    axes.set_aspect("equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.legend(loc="lower right", fontsize=7.5)
