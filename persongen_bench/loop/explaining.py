"""What methods say of how they used a request: asked for, kept, and read; no number hangs on it.

Histories are told by places, not by items, so that a run with pseudonyms shows nobody's likes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from persongen_bench.core.errors import DataError
from persongen_bench.core.method import (
    LISTED_LENGTH,
    MARK_LENGTH,
    NOTE_LENGTH,
    Explains,
    Method,
)
from persongen_bench.core.regular_files import read_regular
from persongen_bench.core.request import Request
from persongen_bench.util.files import write_atomic
from persongen_bench.util.guard import Refused

FILE = "explanations.jsonl"
MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class Explained:
    """What a method said of one request."""

    request_id: str
    marks: Mapping[int, str]
    """Place in the history, 0 the oldest => how the picture there was used."""
    note: str = ""
    listed: Mapping[str, str] = field(default_factory=dict)
    """Item of the answered list => why it stands there; the list itself names its items too."""

    def line(self) -> str:
        """As a line of JSON; without ``listed`` where there is nothing of it."""
        said = {name: value for name, value in asdict(self).items() if name != "listed" or value}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)


def explained(method: Method, requests: Iterable[Request]) -> list[Explained]:
    """What ``method`` says of the requests; nothing of those that it has nothing to say about.

    Of a request whose explanation fails the note says that, and how.
    """
    if not isinstance(method, Explains):
        return []
    said = [_of_request(method, request) for request in requests]
    return [one for one in said if one.marks or one.note or one.listed]


def _of_request(method: Explains, request: Request) -> Explained:
    try:
        told = method.explain(request)
        marks = {k: _short(told.history.get(item, ""), MARK_LENGTH)
                 for k, item in enumerate(request.history)}  # fmt: skip
        note = _short(told.note, NOTE_LENGTH)
        listed = {item: _short(why, LISTED_LENGTH) for item, why in told.listed.items()}
    except (MemoryError, OSError) as error:
        if not isinstance(error, Refused):
            raise
        marks, note, listed = {}, "explain failed: it was refused what it reached for", {}
    except Exception as error:  # noqa: BLE001  # whatever a method raises
        marks, note, listed = {}, f"explain failed: {type(error).__name__}", {}
    shown = {k: mark for k, mark in marks.items() if mark}
    return Explained(request.request_id, shown, note, {k: w for k, w in listed.items() if w})


def _short(words: str, most: int) -> str:
    return " ".join(words.split())[:most]


def write_explanations(folder: Path, said: Sequence[Explained]) -> None:
    """Write `FILE` anew; there is none where nothing was said."""
    if said:
        write_atomic(folder / FILE, "".join(f"{one.line()}\n" for one in said).encode())
    else:
        (folder / FILE).unlink(missing_ok=True)


def read_explanations(folder: Path) -> dict[str, Explained]:
    """Request id, as the directory names it => what was said of it.

    Empty without the file; a file or a line that cannot be read says nothing.
    """
    try:
        text = read_regular(folder / FILE, FILE, MOST_BYTES).decode(errors="replace")
    except DataError:
        return {}
    known = (parse(line) for line in text.splitlines())
    return {one.request_id: one for one in known if one is not None}


def parse(line: str) -> Explained | None:
    """What `Explained.line` wrote; None for anything else."""
    try:
        raw = json.loads(line)
        marks = {int(place): _short(mark, MARK_LENGTH) for place, mark in raw["marks"].items()}
        note, told = _short(raw["note"], NOTE_LENGTH), raw.get("listed", {}).items()
        listed = {item: _short(why, LISTED_LENGTH) for item, why in told}
        return Explained(str(raw["request_id"]), marks, note, listed)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
