"""Answers as they come from a cell: data of a stranger, each checked before it is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persongen_bench.core.errors import DataError, RunError
from persongen_bench.core.output import IMAGE, kind_of
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.types import Image
from persongen_bench.loop.explaining import Explained, parse
from persongen_bench.loop.making import Made
from persongen_bench.loop.wall.wire import Message

MOST_REASON = 500
"""Characters of why a sample has no answer."""


@dataclass(frozen=True)
class Answered:
    """What became of some samples, and what the method looked at meanwhile."""

    made: list[Made | Failure]
    said: list[Explained] = field(default_factory=list)
    references: Counter[str] = field(default_factory=Counter)
    """References it opened to answer, item id => times."""


def joined(parts: Sequence[Answered]) -> Answered:
    """The answers of parts of a batch as those of the batch."""
    made = [one for part in parts for one in part.made]
    said = {one.request_id: one for part in parts for one in part.said}
    return Answered(made, list(said.values()), sum((p.references for p in parts), Counter()))


def failed(reason: str) -> Answered:
    """The answer of a method that did not live to give one."""
    return Answered([Failure("method_error", " ".join(reason.split())[:MOST_REASON])])


def told(message: Message, samples: Sequence[Sample]) -> list[Explained]:
    """What a message says of the requests of these samples, and of no others."""
    requests = {sample.request.request_id for sample in samples}
    lines = message.fields.get("said")
    said = (parse(str(line)) for line in (lines if isinstance(lines, list) else ()))
    return [one for one in said if one is not None and one.request_id in requests]


def read(message: Message, kind_name: str, n: int) -> list[Made | Failure]:
    """The answers of a message, each checked; what is none is a fault of the method."""
    told, blobs = message.fields.get("made"), iter(message.blobs)
    if not isinstance(told, list) or len(told) != n:
        raise RunError(f"a method's process answered {n} samples with something else")
    return [_one(fields, blobs, kind_name) for fields in told]


def _one(fields: Any, blobs: Iterator[bytes], kind_name: str) -> Made | Failure:  # noqa: ANN401  # what a cell said
    kind = kind_of(kind_name)
    if not isinstance(fields, dict) or fields.get("state") != "ok":
        return _failure(fields)
    try:
        shapes = [tuple(map(int, shape)) for shape in fields["shapes"]]
        if kind is IMAGE:
            return Made(kind.check(_image(next(blobs), shapes[0])))
        answer = kind.check(kind.from_bytes(next(blobs), kind.name))
        drawn = [IMAGE.check(_image(next(blobs), shape)) for shape in shapes]
    except (DataError, ValueError, TypeError, KeyError, IndexError, StopIteration) as error:
        return Failure("method_error", f"bad {kind.name}: {error}"[:MOST_REASON])
    return Made(answer, drawn[0] if drawn else None)


def _image(raw: bytes, shape: tuple[int, ...]) -> Image:
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape).copy()


def _failure(fields: Any) -> Failure:  # noqa: ANN401  # what a cell said
    said = fields if isinstance(fields, dict) else {}
    reason = " ".join(str(said.get("reason", "nothing")).split())[:MOST_REASON]
    return Failure("filtered" if said.get("state") == "filtered" else "method_error", reason)


def written(made: Made | Failure, kind_name: str) -> tuple[dict[str, Any], list[bytes]]:
    """An answer as it travels: pictures as they are, everything else as its file."""
    if isinstance(made, Failure):
        return {"state": made.state, "reason": made.reason}, []
    kind = kind_of(kind_name)
    if kind is IMAGE:
        return {"state": "ok", "shapes": [made.answer.shape]}, [_raw(made.answer)]
    drawn = [] if made.drawn is None else [made.drawn]
    blobs = [kind.to_bytes(made.answer), *map(_raw, drawn)]
    return {"state": "ok", "shapes": [image.shape for image in drawn]}, blobs


def _raw(image: Image) -> bytes:
    return np.ascontiguousarray(image).tobytes()
