"""A board: what must be equal for numbers to stand in one table, and which number ranks.

Boards are data: one TOML file each, found through the registry like everything else. The fields of
such a file are those of `Board` but for the name, which is the entry point's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from persongen_bench.core import declared, registry
from persongen_bench.core.config import Config
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.near import near_miss
from persongen_bench.leaderboards.column import Column
from persongen_bench.leaderboards.headline import check_headline

ALL = "all"
"""In place of a method's name: every method of the track that the board knows."""


class Board(Config):
    """Data, protocol, metrics and rules of one leaderboard."""

    name: str
    """Name in the registry, ``distribution/name`` for a third party's."""
    title: str
    track: str
    datasets: tuple[str, ...] = Field(min_length=1)
    """Names accepted, shell patterns allowed (``*/*``: any data set of a third party)."""
    split: str | None = None
    """Default split of its runs; None: the data set's own first."""
    stack: str
    """Default stack; runs of another one get a table of their own."""
    fallback_stack: str | None = None
    """Used by default where the files of ``stack`` are not there."""
    columns: tuple[Column, ...]
    """In order of importance: a narrow terminal shows the first that fit."""
    headline: str
    """The metric that ranks; it must be one of the columns, with a direction."""
    taste: str | None = None
    """The metric whose instrument the permutation tests permute; None: no column has one."""
    methods: tuple[str, ...] = ()
    """The methods of its track that ship: what `ALL` stands for."""
    where_able: tuple[str, ...] = ()
    """Methods that `ALL` stands for too, on a stack that has all of their roles."""
    baselines: tuple[str, ...]
    """Simple methods that are run beside every method and ranked with it."""
    anchors: tuple[str, ...]
    """Reference methods every table should hold; shown in their own block, never ranked."""
    preset: str | None = None
    """Preset used for every method that has it."""
    n_images: int = Field(ge=1)
    """Images per request."""
    n_history: int = Field(ge=0)
    """Liked training items a request carries, at most."""
    plane: tuple[str, str] | None = None
    """The pair of metrics, to the right and upwards, that its plot shows; None: recall and
    precision."""
    reported: tuple[str, ...] = ()
    """Files beside the board's own with the tables that papers print for this task."""
    notes: tuple[str, ...] = ()
    """Rules and caveats printed below every table."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError(f"board {self.name}: a metric has two columns")
        for file in map(PurePosixPath, self.reported):
            if file.is_absolute() or ".." in file.parts:
                raise ValueError(f"board {self.name}: {file} does not lie beside the board's file")
        named = {self.headline, self.taste or self.headline, *(self.plane or ())}
        if not named <= set(self.metrics):
            raise ValueError(
                f"board {self.name}: headline, taste and plane must be among the columns"
            )
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

    @property
    def about(self) -> str:
        """Which runs it takes, ``folder, */* on track prompt-free``."""
        return f"{', '.join(self.datasets)} on track {self.track}"

    def accepts(self, dataset: str) -> bool:
        """Whether runs on this data set may stand on the board."""
        return any(fnmatchcase(dataset, pattern) for pattern in self.datasets)


def get_board(name: str) -> Board:
    """The board called ``name``.

    Raises:
        UnknownNameError: if there is none; the nearest are suggested.
        ConfigError: if its file is not there or not that of a board, or if its headline is a metric
            that cannot rank (`headline.check_headline`).
    """
    source = registry.get("boards", name)
    if not isinstance(source, Board | Mapping):
        file = Path(source) if isinstance(source, str) else source
        return _opened(_validated({**_fields(file), "name": name}, str(file)))
    if isinstance(source, Board):
        board = source.model_copy(update={"name": name})
    else:
        board = _validated({**source, "name": name}, f"board {name}")
    if board.reported:
        raise ConfigError(
            f"board {name} has no file for {board.reported[0]} to lie beside",
            fix="Register the board's file, or leave `reported` empty.",
        )
    return _opened(board)


def _opened(board: Board) -> Board:
    check_headline(board.name, board.column(board.headline))
    return board


def folder_of(board: Board) -> Traversable:
    """The folder that the board's file lies in; only a board with a file has one."""
    entry = registry.find("boards", board.name)
    if entry.point is not None:
        return declared.folder_of(entry.point.module)
    return Path(entry.implementation).parent


def read_boards() -> tuple[dict[str, Board], dict[str, str]]:
    """Every board that reads, built-ins first, and what is wrong with every other, by name."""
    boards, broken = {}, {}
    for name in registry.entries("boards"):
        try:
            boards[name] = get_board(name)
        except PgbenchError as error:
            broken[name] = str(error)
    return boards, broken


def boards_of(dataset: str, track: str | None = None) -> list[Board]:
    """The boards that take runs on a data set (on a track), the one to choose by default first.

    Those that name the data set come before those that match it by a pattern, then built-ins before
    others, then they go by name.
    """
    boards, _ = read_boards()
    taking = [b for b in boards.values() if b.accepts(dataset) and track in (None, b.track)]
    return sorted(taking, key=lambda b: (dataset not in b.datasets, "/" in b.name, b.name))


def board_for(
    dataset: str,
    track: str | None = None,
    board: str | None = None,
    *,
    tracks: Sequence[str] = (),
) -> Board:
    """The board that runs on a data set go to.

    Args:
        dataset: name in the registry.
        track: only boards of this track.
        board: this board, which must take the data set, and be of the track where one is given.
        tracks: of the data set, the default first; where neither track nor board is given, the
            first that has a board for it decides. Empty: every track is as good.

    Raises:
        ConfigError: if there is no such board; those that take the data set are named.
    """
    if board is not None:
        chosen = get_board(board)
        if chosen.accepts(dataset) and track in (None, chosen.track):
            return chosen
        raise _refusal(f"board {board} takes {chosen.about}, not ", dataset, track)
    for one in (track,) if track is not None or not tracks else tracks:
        taking = boards_of(dataset, one)
        if taking:
            return taking[0]
    raise _refusal("no board takes ", dataset, track or " or ".join(tracks) or None)


def _refusal(why: str, dataset: str, track: str | None) -> ConfigError:
    """Says that runs on a data set (on a track) cannot go to a board, and which boards take it."""
    boards, broken = read_boards()
    taking = [b for b in boards.values() if b.accepts(dataset)]
    lead = f"Boards that take {dataset} are" if taking else "Boards are"
    listed = ", ".join(f"{b.name} ({b.about})" for b in taking or boards.values())
    unread = "".join(f" Board {name} does not read: {text}" for name, text in broken.items())
    on_track = "" if track is None else f" on track {track!r}"
    meant = near_miss(dataset, () if dataset in (known := registry.entries("datasets")) else known)
    if not meant and track not in (tracks := registry.entries("tracks")):
        meant = near_miss(track, tracks)
    fix = f"{meant} {lead}: {listed}.{unread}".lstrip()
    return ConfigError(f"{why}data set {dataset!r}{on_track}", fix=fix)


def _fields(file: Traversable) -> dict[str, Any]:
    """What a board's file says; it holds everything but the name."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{file}: no such file", fix="Repair the board's entry point.") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, too deep
        raise ConfigError(f"{file}: not a TOML file: {error}") from None
    if "name" in said:
        raise ConfigError(
            f"{file}: field 'name' is not for the file", fix="The entry point names the board."
        )
    return said


def _validated(said: Mapping[str, Any], owner: str) -> Board:
    """The board of these fields; a bad one is named, with where it stands."""
    try:
        return Board.model_validate(dict(said))
    except ValidationError as error:
        # A misspelt field is also a missing one: the misspelling says more.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in first["loc"])
        where = f"{owner}: field {field!r}" if field else owner
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] != "extra_forbidden":
            raise ConfigError(f"{where}: {problem}") from None
        model = Column if first["loc"][0] == "columns" else Board
        known = ", ".join(name for name in model.model_fields if name != "name")
        raise ConfigError(f"{where}: there is no such field", fix=f"Fields are: {known}.") from None
