"""Reads the claims that ship, or somebody else's, and puts the printed numbers beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from persongen_bench.core.errors import DataError, UnknownNameError
from persongen_bench.core.near import near_miss
from persongen_bench.leaderboards.claims.papers import (
    EQUAL,
    Claim,
    ClaimGroup,
    MetricName,
    Paper,
    Says,
)
from persongen_bench.leaderboards.published import ReportedTable, read_table


def paper_names() -> tuple[str, ...]:
    """The papers whose claims ship."""
    return tuple(sorted(f.name.removesuffix(".toml") for f in _folder() if f.name.endswith("toml")))


def read_paper(name: str) -> tuple[Paper, tuple[Claim, ...]]:
    """A paper that ships, with its claims in order.

    Raises:
        UnknownNameError: if there is none of that name.
        DataError: if its file, or a table of it, is not what it should be.
    """
    if name not in paper_names():
        raise UnknownNameError(
            f"no claims of a paper {name!r}",
            fix=near_miss(name, paper_names(), f"Papers are: {', '.join(paper_names())}."),
        )
    tables = resources.files("persongen_bench.leaderboards.boards") / "reported"
    return read_claims(next(f for f in _folder() if f.name == f"{name}.toml"), tables)


def read_claims(file: Traversable, tables: Traversable) -> tuple[Paper, tuple[Claim, ...]]:
    """The paper of a file; its printed tables are JSON files of the folder ``tables``."""
    paper = _validated(file)
    printed = {
        data: [read_table(tables / f"{table}.json") for table in standin.tables]
        for data, standin in paper.data.items()
    }
    claims: list[Claim] = []
    for group in paper.claims:
        for a, b, metric in _product(group):
            number = _numbers(printed[group.data], paper.metrics, (a, b, metric))
            claims.append(_claim(paper, group, (a, b, metric), number, len(claims) + 1))
    return paper, tuple(claims)


def _claim(
    paper: Paper,
    group: ClaimGroup,
    names: tuple[str, str, str],
    numbers: tuple[float, float, str] | None,
    place: int,
) -> Claim:
    a, b, metric = names
    said = group.says or paper.metrics[metric].better
    printed, holds = group.printed, group.holds
    if not printed and numbers is not None:
        printed, holds = numbers[2], _agrees(said, *numbers[:2])
    return Claim(
        name=f"{paper.name}-{place:03}", paper=paper.name, where=group.where, data=group.data,
        a=a, b=b, metric=metric, says=said, printed=printed, holds=holds, note=group.note,
        default=group.default and paper.metrics[metric].default,
    )  # fmt: skip


def _product(group: ClaimGroup) -> list[tuple[str, str, str]]:
    return [(a, b, metric) for a in group.a for b in group.b for metric in group.metrics]


def _numbers(
    tables: Sequence[ReportedTable], metrics: Mapping[str, MetricName], names: tuple[str, str, str]
) -> tuple[float, float, str] | None:
    """Both printed numbers, and their text, of the first table that has both."""
    a, b, metric = names
    key = metrics[metric].ours or metric
    for table in tables:
        rows = [row for row in map(table.row, (a, b)) if row is not None and key in row.metrics]
        if len(rows) == 2:
            first, second = (row.metrics[key] for row in rows)
            digits = table.decimals(key)
            return first, second, f"{first:.{digits}f} vs {second:.{digits}f}"
    return None


def _agrees(says: Says, a: float, b: float) -> bool:
    if says == "equal":
        return abs(a - b) <= EQUAL * abs(b)
    return a > b if says == "higher" else a < b


def _folder() -> list[Traversable]:
    return list(resources.files(__package__ or "").iterdir())


def _validated(file: Traversable) -> Paper:
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
        return Paper.model_validate({**said, "name": Path(file.name).stem})
    except OSError:
        raise DataError(f"{file}: no such file", fix="It holds the claims of a paper.") from None
    except ValidationError as error:
        # A misspelt field is also a missing one: the misspelling says more.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in first["loc"])
        where = f"{file}: field {field!r}" if field else str(file)
        raise DataError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:  # not TOML, not UTF-8
        raise DataError(f"{file}: not a TOML file: {error}") from None
