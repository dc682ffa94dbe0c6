"""The judge's replies, read strictly: what is wrong with one has a name and repairs nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from persongen_bench.core.errors import PgbenchError

FIELDS = ("id", "similarity_score", "explanation")
LONGEST = 500
"""Characters of an explanation."""


class ReplyError(PgbenchError):
    """A reply that is not what was asked for; ``kind`` names what is wrong with it."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(f"{kind}: {said}")
        self.kind = kind


@dataclass(frozen=True)
class Scored:
    """One item in a reply."""

    item_id: str
    score: float
    """In [0, 100]."""
    explanation: str


def read_reply(text: str, asked: Sequence[str]) -> tuple[Scored, ...]:
    """The scores of exactly the items asked for, in their order.

    Raises:
        ReplyError: for anything but a JSON list of one object per item with the three `FIELDS`.
    """
    rows = parsed(text)
    if not isinstance(rows, list):
        raise ReplyError("not a list", f"found {_kind(rows)}")
    scored = [_row(row) for row in rows]
    ids = [one.item_id for one in scored]
    for item in ids:
        if item not in asked:
            raise ReplyError("unknown item", repr(item)[:80])
        if ids.count(item) > 1:
            raise ReplyError("item twice", repr(item)[:80])
    missing = [item for item in asked if item not in ids]
    if missing:
        raise ReplyError("item missing", f"{missing[0]!r} ({len(missing)} in all)")
    by_id = dict(zip(ids, scored, strict=True))
    return tuple(by_id[item] for item in asked)


def parsed(text: str) -> Any:  # noqa: ANN401  # any JSON value
    """A JSON list or object with nothing around it; raises `ReplyError` for anything else."""
    stripped = text.strip()
    if not stripped:
        raise ReplyError("empty", "no reply")
    if stripped[0] not in "[{":
        raise ReplyError("words around", f"it begins with {stripped[:20]!r}, not with a list")
    try:
        return json.loads(stripped, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise ReplyError("too deep", "lists within lists") from None
    except ValueError as error:
        kind = "words around" if "Extra data" in str(error) else "not JSON"
        raise ReplyError(kind, str(error)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ReplyError("field twice", repr(sorted(name for name, _ in pairs))[:80])
    return made


def _constant(name: str) -> float:
    raise ReplyError("score not finite", name)


def _row(row: Any) -> Scored:  # noqa: ANN401  # any JSON value
    if not isinstance(row, dict):
        raise ReplyError("not an object", f"found {_kind(row)} in the list")
    for name in FIELDS:
        if name not in row:
            raise ReplyError("field missing", name)
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise ReplyError("unknown field", repr(unknown[0])[:80])
    if not isinstance(row["id"], str):
        raise ReplyError("id no text", f"found {_kind(row['id'])}")
    return Scored(row["id"], _score(row["similarity_score"]), _explanation(row["explanation"]))


def _score(value: Any) -> float:  # noqa: ANN401  # any JSON value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplyError("score no number", f"found {_kind(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ReplyError("score not finite", repr(value))
    if not 0 <= value <= 100:
        raise ReplyError("score out of range", f"{str(value)[:20]} is not within 0 and 100")
    return float(value)


def _explanation(value: Any) -> str:  # noqa: ANN401  # any JSON value
    if not isinstance(value, str):
        raise ReplyError("explanation no text", f"found {_kind(value)}")
    words = " ".join(value.split())
    if not words:
        raise ReplyError("explanation empty", "a brief reason is needed")
    if len(words) > LONGEST:
        raise ReplyError("explanation too long", f"{len(words)} characters, {LONGEST} at most")
    return words


def _kind(value: Any) -> str:  # noqa: ANN401  # any JSON value
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")
