"""Imports what others registered in a process of its own, which they may end or hold up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from persongen_bench.core import registry
from persongen_bench.core.errors import PgbenchError
from persongen_bench.core.registry import Entry

PATIENCE = 120
"""Seconds that the imports of all plugins may take together before one is held to hang."""
_PROGRAM = "from persongen_bench.api.probing import tell; tell()"


def imported_apart(entries: Sequence[Entry]) -> Iterator[str]:
    """What is wrong with each of the entries that do not import, a line each.

    They are imported one after the other in a child process; where it ends (``os._exit``, a crash
    in compiled code) or hangs, the entry it was at is named, and another child goes on behind it.
    """
    rest = list(entries)
    while rest:
        told, end = _child(rest)
        yield from filter(None, told)
        rest = rest[len(told) :]
        if rest:
            entry = rest.pop(0)
            yield (
                f"{entry.kind[:-1]} {entry.name!r} of distribution {entry.distribution!r} "
                f"{end} when it is imported. Reinstall or repair {entry.distribution}."
            )


def _child(entries: Sequence[Entry]) -> tuple[list[str], str]:
    """What a child tells of the first entries, and how it ended where that is not of all."""
    asked = json.dumps([[entry.kind, entry.name] for entry in entries])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603  # this very program
            [sys.executable, "-c", _PROGRAM], input=asked.encode(), env=environment,
            capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return _lines(error.stdout or b""), f"does not end within {PATIENCE} seconds"
    return _lines(done.stdout), f"ends the program (status {done.returncode})"


def _lines(told: bytes) -> list[str]:
    """The whole lines that are the child's own; what plugins print goes elsewhere."""
    whole = told.decode("utf-8", "replace").splitlines(keepends=True)
    return [str(json.loads(line)) for line in whole if line.endswith("\n")]


def tell() -> None:
    """In the child: import each entry of standard input, and print what is wrong with it."""
    said = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for kind, name in said:
        text = ""
        try:
            registry.find(kind, name).load()
        except PgbenchError as error:
            text = str(error)
        out.write(f"{json.dumps(text)}\n")
        out.flush()
