"""A site is written: tables of runs in, a folder out that opens without a server.

The same runs give the same bytes: no time of writing is in it, dates are those of the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.metric_cards import parse_metric
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.leaderboards.board import ALL
from persongen_bench.leaderboards.render import RenderOptions, render
from persongen_bench.site.board import board_link, board_page, values_csv, values_of
from persongen_bench.site.cards import column_cards, read_audit
from persongen_bench.site.chosen import Pictured, budgets
from persongen_bench.site.data_pictures import DataPictures
from persongen_bench.site.documents import Index
from persongen_bench.site.figures import draw
from persongen_bench.site.gather import Table, tables_of
from persongen_bench.site.names import shown_names
from persongen_bench.site.opening import open_data
from persongen_bench.site.pages import copy_assets, page
from persongen_bench.site.people import Shown
from persongen_bench.site.refused import MARK, hidden, require_alike, require_free
from persongen_bench.site.script import script
from persongen_bench.site.thumbs import Thumbs
from persongen_bench.util.files import folder_atomic, sweep_beside
from persongen_bench.util.privacy import without_places

PACKAGE = "persongen-bench"
FORMS = {"csv": "csv", "json": "json", "tex": "latex"}
"""Suffix of a download => format of `leaderboards.render`."""
LEFT = 24 * 3600.0
"""Seconds after which what a killed writer of a site has left beside it is removed: a folder that
is younger may be that of one at work."""
HIDDEN = (
    "The people of these runs have pseudonyms: nothing of the data that could tell who they are is "
    "shown."
)


class Asked(Config):
    """What a site is to hold."""

    board: str | None = None
    """Only this board; None: all."""
    metrics: tuple[str, ...] = ()
    """Columns besides the boards' own, where a run has them; ``all``: all it has."""
    pictures: int = Field(default=20_000, ge=0)
    """Pictures of rows in the whole site, shared equally by all rows. Those of the data that are
    shown beside them come on top."""
    audit: Path | None = None
    """``metric-audit.json`` of ``pgbench audit metrics``."""
    data: Path | None = None
    """Where the data lie; None: where this machine remembers."""


@dataclass(frozen=True)
class Built:
    """A site that was written."""

    path: Path
    index: Index
    n_files: int
    n_bytes: int

    def __str__(self) -> str:
        """One line."""
        n, rows = len(self.index.boards), sum(one.n_rows for one in self.index.boards)
        tables = "1 table" if n == 1 else f"{n} tables"
        size = f"{self.n_files:,} files, {self.n_bytes / 1e6:.1f} MB"
        return f"{self.path / 'index.html'}: {tables}, {rows} rows, {size}"


def build(
    folders: Sequence[Path], out: Path, asked: Asked, progress: Progress = no_progress
) -> Built:
    """Write the site of the runs below some folders.

    Args:
        folders: searched for run directories at any depth.
        out: the folder, which must be new, empty or a site; it is replaced whole.
        asked: what it is to hold.
        progress: bars.

    Raises:
        ConfigError: for a folder that holds something else, or an audit that is none.
        RunError: if no run can stand in any table.
    """
    require_free(out)
    for name in set(asked.metrics) - {ALL}:
        parse_metric(name)
    audit = {} if asked.audit is None else read_audit(asked.audit)
    tables = tables_of(folders, asked.board, asked.metrics)
    require_alike(tables)
    place = out.resolve()  # the folder that a relative one begins at may be the one replaced
    with folder_atomic(place, durable=False) as root:
        index = _Writer(root, asked, tables, audit, progress).write()
        require_free(place)  # somebody may have put something there meanwhile
    sweep_beside(place, LEFT)
    sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    return Built(out, index, len(sizes), sum(sizes))


@dataclass
class _Writer:
    root: Path
    asked: Asked
    tables: Sequence[Table]
    audit: dict[str, dict[str, Any]]
    progress: Progress
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """Slug => addresses of downloads by kind."""

    def write(self) -> Index:
        """Everything."""
        self.thumbs = Thumbs(self.root)
        pictured = [Pictured(table) for table in self.tables]
        for one, room in zip(pictured, budgets(pictured, self.asked.pictures), strict=True):
            self._table(one, room)
        index = Index(
            made_by=f"{PACKAGE} {version(PACKAGE)}",
            boards=tuple(map(board_link, self.tables)),
        )
        self._put("index", index)
        self._text("index.html", page(index, copy_assets(self.root), self.files))
        self._text(MARK, f"A site of {index.made_by}.\n")
        return index

    def _table(self, one: Pictured, room: int) -> None:
        table = one.table
        names = shown_names({*table.units, *one.users})
        self.files[table.slug] = self._downloads(table, names)
        columns = column_cards(table, self.audit)
        for k, column in enumerate(columns):
            if column.by_user:
                values = values_of(table, column.metric, names)
                self._put(f"values/{table.slug}/{k}", values)
        n_pictures, notes = self._pictures(one, room, names)
        figures = draw(table.standings, self.root, table.slug)
        about = {"downloads": self.files[table.slug], "figures": figures}
        board = board_page(table, self.tables, columns, n_pictures, about, notes)
        audited = self.asked.audit is not None
        self._put(f"board/{table.slug}", board.model_copy(update={"audited": audited}))

    def _pictures(
        self, one: Pictured, room: int, names: dict[str, str]
    ) -> tuple[list[int], list[str]]:
        """People and pictures of a table; thumbnails by row, and what is to be said of them."""
        sampled, rows = one.chosen(room)
        data, note = self._data(one.table)
        people = {user: names[user] for user in one.users}
        prompts = names if one.table.unit == "prompt" else None
        shown = Shown(one.table, people, sampled, rows, self.thumbs, data, note, prompts)
        try:
            return self._shown(shown)
        except PgbenchError as error:
            if data is None:
                raise
            return self._shown(replace(shown, data=None, note=_closed(error), unread=0))

    def _shown(self, shown: Shown) -> tuple[list[int], list[str]]:
        slug, counts = shown.table.slug, [0] * len(shown.table.standings.rows)
        for pictures in shown.pictures(self.progress):
            counts[pictures.row] = sum(map(len, pictures.users.values()))
            self._put(f"pictures/{slug}/{pictures.row}", pictures)
        self._put(f"people/{slug}", shown.people())
        lost = [f"{shown.unread} pictures could not be read or are not those that were recorded."]
        return counts, [*([shown.note] if shown.note else []), *(lost if shown.unread else [])]

    def _data(self, table: Table) -> tuple[DataPictures | None, str]:
        """The data of a table, or why there are none."""
        if not table.of_table:
            return None, ""
        if any(hidden(run) for run in table.of_table):
            return None, HIDDEN
        config = table.of_table[0].config
        try:
            world = open_data(config, self.asked.data, self.progress)
        except PgbenchError as error:
            return None, _closed(error)
        return DataPictures(world, config, self.thumbs), ""

    def _downloads(self, table: Table, names: Mapping[str, str]) -> dict[str, str]:
        addresses = {}
        for suffix, form in FORMS.items():
            costs = RenderOptions(costs=suffix != "tex")
            addresses[suffix] = f"downloads/{table.slug}.{suffix}"
            self._text(addresses[suffix], render([table.standings], form, costs))
        addresses["people"] = f"downloads/{table.slug}.people.csv"
        self._text(addresses["people"], values_csv(table, names))
        return addresses

    def _put(self, key: str, document: Config) -> None:
        kind, *rest = key.split("/")
        names = {"index": "index", "board": "{}/board", "people": "{}/people",
                 "values": "{}/values-{}", "pictures": "{}/pictures-{}"}  # fmt: skip
        path = self.root / "data" / f"{names[kind].format(*rest)}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(script(key, document))

    def _text(self, address: str, text: str) -> None:
        path = self.root / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def _closed(error: PgbenchError) -> str:
    """What is said where the data do not open; their place on this machine is nobody's business."""
    return f"The data could not be opened, so there are no histories: {without_places(str(error))}"
