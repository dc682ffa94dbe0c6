"""Strips of ranked lists: a user's history, the held-out item, and what stands first in the list.

Of one run a strip for each user, with why the first items stand there, where the method says so; of
a table a strip for each method below one another, user by user (as Figure 10 of paper 004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Request
from persongen_bench.core.types import Image
from persongen_bench.leaderboards.strips import N_LIKED, HistoryUse, RequestStrip, request_sheet
from persongen_bench.loop.explaining import Explained, read_explanations
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World

N_USERS, N_USERS_OF_TABLE = 12, 4
"""Users on the sheet of a run, and of a table."""
N_LISTED = 10
"""First items of a list that are shown."""
N_REASONS = 3
"""First items whose explanation is printed."""
MARK, FOLLOWED = "held out", "held out"
"""Of the frame of the item that was to be found, and of the column that shows it."""


def draw_list_sheet(results: RunResults, world: World, path: Path) -> None:
    """The lists of one run of items with pictures, a strip a user."""
    requests = world.asked(results.config).requests
    shown = _first_users(requests, N_USERS)
    reader = _Reader(results, world)
    strips = [reader.strip(request, reader.user(request)) for request in shown]
    _sheet(strips, path, results.config.method.label, len(shown), len(requests))


def draw_list_strips(runs: Sequence[RunResults], world: World, path: Path, title: str) -> None:
    """The lists of several runs of one world, which has pictures, user by user."""
    requests = world.asked(runs[0].config).requests
    shown = _first_users(requests, N_USERS_OF_TABLE)
    readers = [_Reader(run, world) for run in runs]
    strips = [
        reader.strip(request, run.config.method.label, of_table=True)
        for request in shown
        for run, reader in zip(runs, readers, strict=True)
    ]
    _sheet(strips, path, title, len(shown), len(requests))


def _first_users(requests: Sequence[Request], n: int) -> list[Request]:
    """The first request of each of the first users, in the order of their ids."""
    first: dict[str, Request] = {}
    for request in requests:
        first.setdefault(request.user_id, request)
    return [first[user] for user in islice(sorted(first), n)]


def _sheet(strips: Sequence[RequestStrip], path: Path, title: str, n: int, total: int) -> None:
    who = f"the first {n} of {total} users" if n < total else f"all {n} users"
    said = f"the first {N_LISTED} items of the lists of {who}, in the order of the protocol"
    columns = [f"place {k + 1}" for k in range(N_LISTED)]
    request_sheet(strips, columns, path, title=title, subtitle=said, followed=FOLLOWED)


@dataclass(frozen=True)
class _Reader:
    """The lists of a run, and the pictures of their items."""

    results: RunResults
    world: World

    @property
    def _run(self) -> RunDirectory:
        return RunDirectory(self.results.path, self.results.config)

    def user(self, request: Request) -> str:
        """The user's name in the run directory, which may be a pseudonym."""
        return self._run.veil.user(request.user_id)

    def strip(self, request: Request, name: str, *, of_table: bool = False) -> RequestStrip:
        """One user's list, under a name; in a table with the user's, and without reasons."""
        wanted = self.world.test.liked_items.get(request.user_id, ())
        listed = self._listed(request)
        shown, where = listed[:N_LISTED], _where(listed, wanted)
        blank = [None] * (N_LISTED - len(shown))
        return RequestStrip(
            name,
            f"{self.user(request)}: {where}" if of_table else where,
            self.world.train.catalog.images(request.history[-N_LIKED:]),
            next(iter(self._pictures(wanted[:1])), None),
            [*self._pictures(shown), *blank],
            () if of_table else self._reasons(request, shown),
            [MARK if item in wanted else "" for item in shown] + [""] * len(blank),
        )

    def _pictures(self, items: Sequence[str]) -> list[Image | None]:
        """None for an item that the data set lacks."""
        catalog = self.world.dataset.catalog
        known = set(catalog.items.index)
        return [catalog.images([item])[0] if item in known else None for item in items]

    def _listed(self, request: Request) -> list[str]:
        """The first list of the request without the user's training items; empty: none came."""
        rows = self.results.samples
        own = rows["request_id"] == self._run.veil.request(request.request_id)
        rows = rows[own & (rows["state"] == "ok")].sort_values("index")
        if rows.empty:
            return []
        row = rows.iloc[0]
        ranking: Ranking = self._run.read_output(str(row["sample_id"]), str(row["digest"]))
        log = self.world.train.interactions
        seen = set(log.loc[log["user_id"] == request.user_id, "item_id"])
        return [item for item in ranking.item_ids if item not in seen]

    def _reasons(self, request: Request, shown: Sequence[str]) -> list[HistoryUse]:
        said = read_explanations(self.results.path).get(self._run.veil.request(request.request_id))
        return [] if said is None else _told(said, shown)


def _where(listed: Sequence[str], wanted: Sequence[str]) -> str:
    if not listed:
        return "no list came"
    places = [listed.index(item) + 1 for item in wanted if item in listed]
    return f"held out: place {min(places)} of {len(listed):,}" if places else "held out: not listed"


def _told(said: Explained, shown: Sequence[str]) -> list[HistoryUse]:
    """Why the first items stand where they stand, a line each, and the note."""
    lines = [
        HistoryUse(f"place {place}", (), said.listed[item])
        for place, item in enumerate(shown[:N_REASONS], start=1)
        if item in said.listed
    ]
    return [*lines, *([HistoryUse("", (), said.note)] if said.note else [])]
