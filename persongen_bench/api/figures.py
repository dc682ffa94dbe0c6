"""Figures of runs, by kind, as Python and the command line ask for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.leaderboards.drawn.grids import curve_figure, heat_figure, prompts_figure
from persongen_bench.leaderboards.drawn.maps import map_figure
from persongen_bench.leaderboards.drawn.nulls import null_figure
from persongen_bench.leaderboards.drawn.pairs import scatter_figure
from persongen_bench.leaderboards.drawn.rocs import roc_figure
from persongen_bench.leaderboards.drawn.tables import Asked
from persongen_bench.leaderboards.drawn.users import box_figure, ranks_figure
from persongen_bench.leaderboards.figures import require_drawable
from persongen_bench.util.files import writable_file

Draw: TypeAlias = Callable[[Path, Asked, Path], None]


class Kind(NamedTuple):
    """A kind of figure: who draws it, what it reads of `Asked`, and what it shows."""

    draw: Draw
    reads: frozenset[str]
    shows: str


_ALWAYS = frozenset({"board", "methods"})


def _kind(draw: Draw, reads: str, shows: str) -> Kind:
    return Kind(draw, _ALWAYS | set(reads.split()), shows)


KINDS: dict[str, Kind] = {
    "null": _kind(null_figure, "test", "nulls of permutation tests"),
    "box": _kind(box_figure, "metrics", "values of users by method"),
    "ranks": _kind(ranks_figure, "metrics", "values of every user, and ranks of methods"),
    "heat": _kind(heat_figure, "metrics over", "metrics over two options"),
    "curve": _kind(curve_figure, "metrics over", "metrics over one option"),
    "prompts": _kind(prompts_figure, "metrics over by", "metrics over an option, by prompt"),
    "map": _kind(map_figure, "of colour role data", "embeddings of pictures in the plane"),
    "scatter": _kind(scatter_figure, "metrics each data", "one metric against another"),
    "roc": _kind(roc_figure, "metrics data", "ROC curves of verifiers"),
}
"""By the name that the command takes."""


def figure(kind: str, runs: str | Path, output: str | Path, **asked: Any) -> Path:  # noqa: ANN401  # fields of `Asked`
    """Draw one kind of figure of the runs below a folder.

    Args:
        kind: one of `KINDS`.
        runs: searched for run directories at any depth.
        output: a ``.png``, ``.pdf`` or ``.svg`` file; the same runs give the same bytes.
        **asked: fields of `Asked`, those that the kind reads.

    Returns:
        The file.

    Raises:
        ConfigError: for an unknown kind, a field that the kind does not read, or runs that lack
            what the figure shows; the message says what to run.
        RunError: if there is no complete run.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"there is no figure {kind!r}",
            fix=near_miss(kind, KINDS, f"Figures are: {', '.join(KINDS)}."),
        )
    said = Asked(**asked)
    unread = sorted(said.model_fields_set - KINDS[kind].reads)
    if unread:
        raise ConfigError(
            f"figure {kind} does not read {', '.join(unread)}",
            fix=f"It reads {', '.join(sorted(KINDS[kind].reads))}.",
        )
    path = Path(output)
    require_drawable(path)
    writable_file(path)
    KINDS[kind].draw(Path(runs), said, path)
    return path
