"""Answers made elsewhere: a folder with a manifest, or values in memory.

``manifest.csv`` has the columns ``user_id`` and one called like the kind of answer (``image``,
``ranking``, ``adapter``: a path relative to the folder), and optionally ``request_id`` (needed
where a user has several requests) and ``index`` (0, 1, ... per request; the order of the rows
where it is absent).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from persongen_bench.core.errors import DataError, NoAnswerError
from persongen_bench.core.images import mode_of
from persongen_bench.core.output import IMAGE, OutputKind
from persongen_bench.core.regular_files import require_inside
from persongen_bench.core.request import Request
from persongen_bench.datasets.tables import Table, find_table, read_table
from persongen_bench.loop.store import read_file
from persongen_bench.util.files import file_sha256

MOST = 100_000
"""Largest index of an answer."""
GAPS = 3
"""Answers asked for, at most, for each one that the fullest request delivers."""


@dataclass(frozen=True)
class Answer:
    """One answer: which request it is for, and how to get it."""

    request_id: str
    index: int
    open: Callable[[], Any]
    """The checked answer; raises `DataError` where it breaks the contract of its kind."""
    content: str
    """Hash of the file or the value."""
    mode: str = "RGB"
    """How a picture's file keeps its colours, as PIL says; the answer itself is always RGB."""
    fault: str = ""
    """Why it counts as none; empty: it is one."""


def from_folder(folder: Path, requests: Sequence[Request], kind: OutputKind) -> list[Answer]:
    """The answers of a manifest; every row is checked and every file opens."""
    if folder.is_file():
        raise DataError(f"{folder}: this is a file", fix=f"Name its folder, {folder.parent}.")
    path = find_table(folder, "manifest")
    if path is None:
        raise DataError(
            f"{folder}: neither run.json nor manifest.csv is there",
            fix=f"Write manifest.csv with the columns user_id, {kind.name} (docs/manifest.md).",
        )
    table = read_table(path)
    table.require(["user_id", kind.name])
    ids = _request_ids(table, requests)
    indices = _indices(table, ids)
    numbered = Table(path, table.frame.assign(request_id=ids, index=indices.astype(str)))
    numbered.unique(["request_id", "index"])
    _no_states(table)
    answers = []
    for row, request_id, index, name in zip(
        table.frame.index, ids, indices, table.ids(kind.name), strict=True
    ):
        open_ = _Opener(folder, name, kind)
        try:
            fault = _fault(open_(), kind)
        except DataError as error:
            fix = "Write paths with / in place of the backslashes." if "\\" in name else None
            raise DataError(f"{path} row {row}: {error}", fix=fix) from None
        mode = mode_of(folder / name) if kind is IMAGE else "RGB"
        content = file_sha256(folder / name)
        answers.append(Answer(request_id, int(index), open_, content, mode, fault))
    return answers


def from_values(
    values: Mapping[str, Sequence[Any]], requests: Sequence[Request], kind: OutputKind
) -> list[Answer]:
    """Answers in memory by user, or by request id where a user has several requests.

    None stands for one that was not made.
    """
    answers = []
    known = {request.request_id for request in requests}
    of_user = _by_user(requests)
    for key, given in values.items():
        request_id = key if key in known else _only(key, of_user)
        for index, value in enumerate(given):
            if value is None:
                continue
            fault, digest = _fault(value, kind), kind.digest(value)
            answers.append(Answer(request_id, index, partial(_itself, value), digest, fault=fault))
    return answers


def _fault(value: Any, kind: OutputKind) -> str:  # noqa: ANN401  # whatever was delivered
    """Why a value counts as no answer; `DataError` for one that is not of the kind."""
    try:
        kind.check(value)
    except NoAnswerError as error:
        return f"bad {kind.name}: {error}"
    return ""


def _itself(value: Any) -> Any:  # noqa: ANN401  # an answer in memory
    return value


@dataclass(frozen=True)
class _Opener:
    folder: Path
    name: str
    kind: OutputKind

    def __call__(self) -> Any:  # noqa: ANN401  # of the kind
        path = self.folder / self.name
        require_inside(path, self.folder)
        return read_file(path, self.kind)


def _by_user(requests: Sequence[Request]) -> dict[str, list[str]]:
    of_user: dict[str, list[str]] = {}
    for request in requests:
        of_user.setdefault(request.user_id, []).append(request.request_id)
    return of_user


def _only(user: str, of_user: Mapping[str, list[str]]) -> str:
    """The one request of a user."""
    own = of_user.get(user, [])
    if len(own) == 1:
        return own[0]
    if own:
        raise DataError(
            f"user {user!r} has {len(own)} requests",
            fix=f"Give answers by request id, such as {own[0]!r} (`pgbench list requests`).",
        )
    raise DataError(f"unknown user {user!r}", fix=_fix_of(user, of_user))


def _fix_of(user: str, of_user: Mapping[str, list[str]]) -> str:
    """The likely cause of an unknown user, else the users there are."""
    same = {_bare(known): known for known in of_user}.get(_bare(user))
    if same is None:
        return _users_there_are(of_user)
    lost = "its leading zeros" if same.lstrip("0") == user else "its spelling"
    lost = "a .0 that a spreadsheet added" if _undotted(user) == same else lost
    return f"It looks like {same!r} but for {lost}: keep the column as text."


def _bare(user: str) -> str:
    """What is left of an id when a spreadsheet or a hand has been at it."""
    text = unicodedata.normalize("NFKC", str(user)).strip().casefold()
    return _undotted(text).lstrip("0") or "0"


def _undotted(user: str) -> str:
    head, _, tail = user.partition(".")
    return head if head.isdigit() and tail and not tail.strip("0") else user


def _users_there_are(of_user: Mapping[str, list[str]]) -> str:
    some = ", ".join(list(of_user)[:3])
    return f"Users of the test split are {some}, ... ({len(of_user)} in all)."


def _request_ids(table: Table, requests: Sequence[Request]) -> list[str]:
    of_user = _by_user(requests)
    users = table.ids("user_id")
    unknown = ~users.isin(list(of_user)).to_numpy()
    first = next((str(user) for user, bad in zip(users, unknown, strict=True) if bad), "")
    table.reject(unknown, "unknown user {user_id}", _fix_of(first, of_user))
    if "request_id" in table.frame.columns:
        pairs = zip(table.ids("request_id"), users, strict=True)
        wrong = np.array([said not in of_user[user] for said, user in pairs], dtype=bool)
        fix = "`pgbench list requests` prints them."
        table.reject(wrong, "{user_id} has no request {request_id}", fix)
        return [str(said) for said in table.frame["request_id"]]
    several = np.array([len(of_user[user]) > 1 for user in users], dtype=bool)
    fix = "Add the column request_id (`pgbench list requests` prints them)."
    table.reject(several, "user {user_id} has several requests", fix)
    return [of_user[user][0] for user in users]


def _indices(table: Table, request_ids: Sequence[str]) -> np.ndarray:
    if "index" not in table.frame.columns:
        return pd.Series(request_ids).groupby(list(request_ids)).cumcount().to_numpy()
    numbers = table.numbers("index")
    wrong = (numbers < 0) | (numbers != numbers.round()) | (numbers > MOST)
    table.reject(wrong, "index is {index}, expected 0, 1, 2, ...", "Correct it.")
    if numbers.min() == 1:
        raise DataError(
            f"{table.path}: the column index counts from 1: no answer has the index 0",
            fix="Count from 0, or leave the column out.",
        )
    return numbers.astype(int)


def check_number(answers: Sequence[Answer], requests: Sequence[Request], most: int | None) -> None:
    """Refuse answers that would have everybody asked for far more than anybody delivered.

    The largest index decides how many answers each request is to have, and what is not there counts
    as missing. So it may go beyond what was asked for only as far as `GAPS` times what the fullest
    request delivers; with ``most`` not beyond that.

    Raises `DataError` naming the request and the index.
    """
    if not answers:
        return
    last = max(answers, key=lambda answer: answer.index)
    user = next(r.user_id for r in requests if r.request_id == last.request_id)
    who = f"user {user!r} (request {last.request_id})"
    if most is not None and last.index >= most:
        raise DataError(
            f"{who} has an answer of index {last.index}, and {most} were asked for, from index 0",
            fix=f"Leave it out, or ask for {last.index + 1} (--n-images).",
        )
    fullest = max(Counter(answer.request_id for answer in answers).values())
    asked = max((request.n_images for request in requests), default=0)
    if last.index >= max(asked, GAPS * fullest):
        raise DataError(
            f"{who} has an answer of index {last.index}, and nobody has more than {fullest} "
            f"answers: {last.index + 1:,} would be asked of everybody, most of them missing",
            fix="Count the answers of each request from 0 without gaps.",
        )


def _no_states(table: Table) -> None:
    """What became of a sample is not the sender's to say: who lists an answer delivers it."""
    if "state" in table.frame.columns:
        wrong = (table.frame["state"].astype(str).str.strip() != "ok").to_numpy()
        table.reject(
            wrong, "state is {state}", "Leave out the row (it counts as missing), or the column."
        )


def most_answers(answers: Sequence[Answer]) -> int:
    """Answers of the request that has most, counting from index 0."""
    return max((answer.index + 1 for answer in answers), default=0)
