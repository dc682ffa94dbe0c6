"""The boards: what must be equal for numbers to stand in one table, and which number ranks."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import Self

from pydantic import Field, model_validator

from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, UnknownNameError
from persongen_bench.core.types import Direction

NOTHING = "\N{EN DASH}"
"""Printed where there is no number."""


class Column(Config):
    """One metric of a board and how its numbers are printed."""

    metric: str
    """Printed name, such as ``precision@20``; also the registry's argument."""
    direction: Direction = "higher"
    """Which way is better; ``none`` where neither is (the column is shown, never bold)."""
    exponent: int = 0
    """Numbers are printed in units of ``10**exponent`` (files in full precision are not scaled)."""
    decimals: int = Field(default=3, ge=0)
    """Digits behind the point, after scaling."""
    range: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest possible value; intervals are cut there."""
    known_taste: bool = False
    """True where the metric needs a world whose taste is known."""

    @property
    def header(self) -> str:
        """Printed header with the unit, ``recall@20 (x1e-3)``."""
        return f"{self.metric} (x1e{self.exponent})" if self.exponent else self.metric

    def format(self, value: float | None) -> str:
        """``value`` scaled and rounded; an en dash where there is none."""
        if value is None:
            return NOTHING
        text = f"{value / 10.0**self.exponent:.{self.decimals}f}"
        return text[1:] if text.startswith("-") and float(text) == 0 else text


ALL = "all"
"""In place of a method's name: every method of the track that the board knows."""


class Board(Config):
    """Data, protocol, metrics and rules of one leaderboard."""

    name: str
    title: str
    track: str
    datasets: tuple[str, ...]
    """Names accepted, shell patterns allowed (``*/*``: any data set of a third party)."""
    stack: str
    """Default stack; runs of another one get a table of their own."""
    columns: tuple[Column, ...]
    """In order of importance: a narrow terminal shows the first that fit."""
    headline: str
    """The metric that ranks; it must be one of the columns, with a direction."""
    taste: str
    """The metric whose instrument the permutation tests permute."""
    methods: tuple[str, ...] = ()
    """The methods of its track that ship: what `ALL` stands for."""
    baselines: tuple[str, ...]
    """Simple methods that are run beside every method and ranked with it."""
    anchors: tuple[str, ...]
    """Reference methods every table should hold; shown in their own block, never ranked."""
    preset: str | None = None
    """Preset used for every method that has it."""
    n_images: int = Field(ge=1)
    """Images per user."""
    n_history: int = Field(ge=0)
    """Liked training items a request carries, at most."""
    reported: str | None = None
    """File in ``reported/`` with the rows a paper prints for this task."""
    notes: tuple[str, ...] = ()
    """Rules and caveats printed below every table."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.headline not in self.metrics or self.taste not in self.metrics:
            raise ValueError(f"board {self.name}: headline and taste must be among the columns")
        if self.column(self.headline).direction == "none":
            raise ValueError(f"board {self.name}: the headline needs a direction")
        return self

    @property
    def metrics(self) -> tuple[str, ...]:
        """Printed metric names in column order."""
        return tuple(column.metric for column in self.columns)

    def metrics_for(self, *, known_taste: bool) -> tuple[str, ...]:
        """The metrics a run is scored with, given whether its world's taste is known."""
        return tuple(c.metric for c in self.columns if known_taste or not c.known_taste)

    def column(self, metric: str) -> Column:
        """The column of a metric."""
        for column in self.columns:
            if column.metric == metric:
                return column
        raise ConfigError(f"board {self.name} has no metric {metric!r}")

    def accepts(self, dataset: str) -> bool:
        """Whether runs on this data set may stand on the board."""
        return any(fnmatchcase(dataset, pattern) for pattern in self.datasets)


def _family(metric: str, cuts: tuple[int, ...], *, exponent: int = 0) -> tuple[Column, ...]:
    return tuple(Column(metric=f"{metric}@{k}", exponent=exponent) for k in reversed(cuts))


_FIDELITY = (
    Column(metric="novelty", range=(-2.0, 2.0)),
    Column(metric="copy-rate", direction="lower"),
    Column(metric="diversity", range=(0.0, 2.0)),
    Column(metric="history-similarity", direction="none", range=(-1.0, 1.0)),
)
_BASELINES = ("random-item", "nearest-item")
_ANCHORS = ("copy-history", "population-best", "wrong-user", "oracle")
_COMMON_NOTES = (
    "history-similarity is a legacy column: copying the history wins it, so it has no better end.",
)

CONTROLLED = Board(
    name="controlled",
    title="Controlled world with known taste (dSprites)",
    track="controlled",
    datasets=("dsprites",),
    stack="sprites",
    columns=(
        Column(metric="true-taste", known_taste=True),
        Column(metric="taste-gap", range=(-1.0, 1.0)),
        *_family("precision", (1, 5, 10, 20)),
        *_family("recall", (1, 5, 10, 20), exponent=-3),
        *_FIDELITY,
    ),
    headline="true-taste",
    taste="taste-gap",
    baselines=(*_BASELINES, "mean-embedding"),
    anchors=_ANCHORS,
    preset="controlled",
    n_images=25,
    n_history=20,
    reported="rebeca_table1.json",
    notes=(
        "true-taste is the true probability that the user likes an image, read from its factors.",
        *_COMMON_NOTES,
    ),
)

_PROMPT_FREE = (
    "rebeca", "rebeca-v1", "vlm-persona", "vlm-persona+lora", "in-context", "ip-adapter-history",
    "textual-inversion", "lora-user", "lora-shared", "sd-prompt",
)  # fmt: skip

TASTEWORLD = Board(
    name="tasteworld",
    title="Simulated people with known taste (tasteworld), empty prompt",
    track="prompt-free",
    datasets=("tasteworld",),
    stack="sandbox",
    columns=(
        Column(metric="true-taste", known_taste=True),
        Column(metric="taste-gap", range=(-1.0, 1.0)),
        *_family("precision", (5,)),
        *_family("recall", (5,)),
        *_FIDELITY,
    ),
    headline="true-taste",
    taste="taste-gap",
    methods=_PROMPT_FREE,
    baselines=(*_BASELINES, "mean-embedding"),
    anchors=(*_ANCHORS, "unpersonalized"),
    n_images=8,
    n_history=20,
    notes=(
        "true-taste: the true probability that the user likes an image, by its attributes as read.",
        *_COMMON_NOTES,
    ),
)

_CATALOGUE_COLUMNS = (
    Column(metric="taste-gap", range=(-1.0, 1.0)),
    *_family("precision", (10,)),
    *_family("recall", (10,)),
    *_FIDELITY,
)

CATALOGUE = Board(
    name="catalogue",
    title="Your own catalogue and interaction log",
    track="prompt-free",
    datasets=("folder", "*/*"),
    stack="pixels",
    columns=(*_CATALOGUE_COLUMNS, Column(metric="true-taste", known_taste=True)),
    headline="taste-gap",
    taste="taste-gap",
    baselines=_BASELINES,
    anchors=_ANCHORS,
    n_images=10,
    n_history=10,
    notes=("true-taste is shown where the world's taste is known.", *_COMMON_NOTES),
)

FLICKR_AES = Board(
    name="flickr-aes",
    title="FLICKR-AES: like = rating of at least 4",
    track="prompt-free",
    datasets=("flickr-aes",),
    stack="pixels",
    columns=_CATALOGUE_COLUMNS,
    headline="taste-gap",
    taste="taste-gap",
    methods=_PROMPT_FREE,
    baselines=_BASELINES,
    anchors=_ANCHORS,
    n_images=25,
    n_history=20,
    notes=_COMMON_NOTES,
)

BOARDS: dict[str, Board] = {
    board.name: board for board in (TASTEWORLD, CONTROLLED, CATALOGUE, FLICKR_AES)
}


def get_board(name: str) -> Board:
    """The board called ``name``; an unknown name raises with the nearest ones."""
    if name in BOARDS:
        return BOARDS[name]
    near = difflib.get_close_matches(name, BOARDS, n=2, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Boards are: {', '.join(BOARDS)}."
    raise UnknownNameError(f"no board is called {name!r}", fix=hint)


def board_for(dataset: str) -> Board:
    """The board that runs on this data set go to; raises where there is none."""
    for board in BOARDS.values():
        if board.accepts(dataset):
            return board
    raise ConfigError(
        f"no board accepts the data set {dataset!r}",
        fix=f"Boards are: {', '.join(f'{b.name} ({b.datasets[0]})' for b in BOARDS.values())}.",
    )
