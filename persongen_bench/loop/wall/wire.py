"""What passes through the wall: JSON and raw bytes one way, where a method could have written it.

The side that made the process is trusted, so orders and answers to questions travel to the cell as
Python objects. What comes back is read as data and never unpickled. A method holds its end of the
wire too and may have had it not block: it blocks again before every message, either way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, ClassVar

from persongen_bench.core import errors
from persongen_bench.core.errors import PgbenchError, RunError
from persongen_bench.util.guard import Refused

MOST_HEADER = 1 << 26
"""Bytes of a message without its blobs."""
MOST_BLOB = 1 << 31
"""Bytes of a blob: an image, or the file of another answer."""
MOST_BLOBS = 1 << 16


class CellDied(Exception):  # noqa: N818  # it is what happened
    """The process on the other side is no more."""


@dataclass(frozen=True)
class Message:
    """What a cell says."""

    kind: str
    """``ask``, ``progress``, ``done`` or ``failed``."""
    fields: dict[str, Any]
    blobs: list[bytes] = field(default_factory=list)


class _Whole(ForkingPickler):
    """Objects as they are: torch would hand over shared memory, which a cell may not open."""

    _extra_reducers: ClassVar[dict[type, Any]] = {}


def give(wire: Connection, value: object) -> None:
    """Hand an object to the cell."""
    _blocking(wire).send_bytes(_Whole.dumps(value))


def take(wire: Connection) -> Any:  # noqa: ANN401  # what the outer side gave
    """What the outer side gave; in a cell alone, which trusts who made it."""
    return _blocking(wire).recv()


def send(wire: Connection, kind: str, fields: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Say something, from the cell."""
    header = {"kind": kind, "fields": fields, "blobs": len(blobs)}
    _blocking(wire).send_bytes(json.dumps(header).encode())
    for blob in blobs:
        wire.send_bytes(blob)


def receive(wire: Connection) -> Message:
    """What the cell says next; raises `CellDied`, and `RunError` for what is no message."""
    try:
        kind, fields, n_blobs = _head(json.loads(_blocking(wire).recv_bytes(MOST_HEADER)))
        return Message(kind, fields, [wire.recv_bytes(MOST_BLOB) for _ in range(n_blobs)])
    except (EOFError, ConnectionError, BrokenPipeError) as error:
        raise CellDied from error
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise RunError(f"a method's process sent what is no message ({error})") from None


def _blocking(wire: Connection) -> Connection:
    """The wire, which waits for the other side."""
    os.set_blocking(wire.fileno(), True)
    return wire


def _head(raw: Any) -> tuple[str, dict[str, Any], int]:  # noqa: ANN401  # whatever JSON holds
    kind, fields, n_blobs = raw["kind"], raw["fields"], raw["blobs"]
    if not (isinstance(kind, str) and isinstance(fields, dict) and type(n_blobs) is int):
        raise TypeError(kind)
    if not 0 <= n_blobs <= MOST_BLOBS:
        raise ValueError(n_blobs)
    return kind, fields, n_blobs


def fault(error: BaseException) -> dict[str, Any]:
    """An error as it travels: one of ours, one of the machine, or one of the method."""
    text = str(error)
    if isinstance(error, PgbenchError) and getattr(errors, type(error).__name__, None):
        return {"type": type(error).__name__, "text": text}
    if isinstance(error, MemoryError):
        return {"type": "MemoryError", "text": text}
    if isinstance(error, OSError) and error.errno and not isinstance(error, Refused):
        return {"type": "OSError", "text": error.strerror or text, "errno": error.errno}
    said = text if isinstance(error, Refused) else f"{type(error).__name__}: {text}"
    return {"type": "", "text": said}


def raised(fields: Mapping[str, Any]) -> Exception:
    """The error that `fault` told of."""
    name, text = str(fields.get("type")), str(fields.get("text"))
    known = getattr(errors, name, None)
    if isinstance(known, type) and issubclass(known, PgbenchError):
        return known(text)
    if name == "MemoryError":
        return MemoryError(text)
    number = fields.get("errno")
    if name == "OSError" and type(number) is int:
        return OSError(number, text)
    return MethodFault(text)


class MethodFault(Exception):  # noqa: N818  # it is a fault of the method
    """What a method raised, in words: ``KeyError: 'x'``."""
