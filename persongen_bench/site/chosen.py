"""Which pictures a site shows: as many of every row, for the same people, with the same indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from persongen_bench.core.types import content_hash
from persongen_bench.site.gather import Table

SEED = 0
"""Of the order in which people are taken; a constant, so that a site is the same again."""
LEAST = 4
"""Pictures of a person, where people have so many, before more people are shown."""


class Place(NamedTuple):
    """Where pictures of several rows stand side by side."""

    seed: int
    number: int
    """Of a request's pictures, from 0."""
    request: str


class Made(NamedTuple):
    """One picture of a row."""

    user: str
    place: Place
    sample: str
    digest: str
    run_id: str


@dataclass(frozen=True)
class Pictured:
    """The delivered pictures of a table, by row."""

    table: Table

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Everybody whom a picture was asked for, sorted."""
        columns = (run.sample_table["user_id"] for run in self.table.of_table)
        return tuple(sorted({user for column in columns for user in pc.unique(column).to_pylist()}))

    @cached_property
    def most(self) -> int:
        """Pictures that a row has at most."""
        rows = self.table.standings.rows
        return max((sum(_n_pictures(r.sample_table) for r in self.table.runs_of(row))
                    for row in rows), default=0)  # fmt: skip

    @property
    def n_rows(self) -> int:
        """Rows of the table, where it has pictures."""
        return len(self.table.standings.rows) if self.most else 0

    def chosen(self, per_row: int) -> tuple[tuple[str, ...], list[list[Made]]]:
        """Whose pictures are shown, sorted, and at most ``per_row`` of every row, by person.

        A row lacks those that it did not deliver.
        """
        people, each = shares(self.most, len(self.users), per_row)
        shown = tuple(sorted(in_order(self.users)[:people]))
        rows = [self._of_row(k, shown) for k in range(self.n_rows)]
        places = {
            user: sorted({made.place for row in rows for made in row.get(user, ())})[:each]
            for user in shown
        }
        kept = {(user, place) for user, own in places.items() for place in own}
        return shown, [
            sorted(made for own in row.values() for made in own if (made.user, made.place) in kept)
            for row in rows
        ]

    def _of_row(self, k: int, users: Sequence[str]) -> Mapping[str, list[Made]]:
        found: dict[str, list[Made]] = {}
        for run in self.table.runs_of(self.table.standings.rows[k]):
            table = run.sample_table
            mine = pc.is_in(table["user_id"], pa.array(users, table["user_id"].type))
            some = table.filter(pc.and_(mine, _delivered(table)))
            columns = ("user_id", "request_id", "index", "sample_id", "pixel_hash")
            lines = zip(*(some[name].to_pylist() for name in columns), strict=True)
            for user, request, index, sample, digest in lines:
                place = Place(run.config.seed, int(index), request)
                made = Made(user, place, sample, digest, run.config.run_id)
                found.setdefault(user, []).append(made)
        return found


def _delivered(table: pa.Table) -> pa.ChunkedArray:
    return pc.and_(pc.equal(table["state"], "ok"), pc.not_equal(table["pixel_hash"], ""))


def _n_pictures(table: pa.Table) -> int:
    return int(pc.sum(_delivered(table)).as_py() or 0)


def in_order(users: Sequence[str]) -> list[str]:
    """People in an order by chance that another person does not change."""
    return sorted(users, key=lambda user: (content_hash("site", SEED, user), user))


def shares(most: int, n_users: int, per_row: int) -> tuple[int, int]:
    """How many people are shown, and how many pictures of each in a row.

    Everything where there is room for it; else `LEAST` of as many people as there is room for, or
    more of everybody.
    """
    if not n_users or not most or per_row <= 0:
        return 0, 0
    if most <= per_row:
        return n_users, most
    own = -(-most // n_users)
    each = min(own, per_row, max(LEAST, per_row // n_users))
    return min(n_users, per_row // each), each


def budgets(tables: Sequence[Pictured], n_pictures: int) -> list[int]:
    """Pictures of each row, by table: equal shares, what a table does not need goes to others."""
    given, left, rows = [0] * len(tables), n_pictures, sum(one.n_rows for one in tables)
    for k in sorted(range(len(tables)), key=lambda k: tables[k].most):
        one = tables[k]
        if one.n_rows:
            given[k] = min(one.most, left // rows)
            left -= given[k] * one.n_rows
            rows -= one.n_rows
    return given
