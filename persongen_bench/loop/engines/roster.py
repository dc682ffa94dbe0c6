"""How far the workers of a run are, and what works where.

Journals tell how far. Where a worker is lies in the cache, which all of them share: names of
machines are nothing for a run directory, which others are given.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from persongen_bench.core.types import content_hash
from persongen_bench.loop.engines.worker_journal import FOLDER, journals_of, told
from persongen_bench.loop.store import RunDirectory
from persongen_bench.util.files import cache_root, write_atomic

EVERY = 2.0
"""Seconds between two looks at the journals."""
_MOST_CHARACTERS = 200


@dataclass(frozen=True)
class Row:
    """A worker: what it made, and where it is."""

    name: str
    n_ok: int
    n_failed: int
    heard: float | None
    """Seconds since it last wrote; None: it has not."""
    where: str
    """Machine, process and device; empty: it has ended, or its machine does not say."""


@contextmanager
def entered(run: Path, name: str, device: str) -> Iterator[None]:
    """A worker stands in the roster of its run until it ends; one that is killed stays there."""
    file = _folder(run) / f"{name}.json"
    told_of = {"host": platform.node(), "process": os.getpid(), "device": device or "any device"}
    write_atomic(file, json.dumps(told_of).encode(), durable=False)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def workers_of(run: RunDirectory) -> list[Row]:
    """Every worker that has begun, by name."""
    journals = journals_of(run.path, run.config.run_id)
    rows = []
    for name, batches in journals.items():
        states = {one.sample_id: one.state for batch in batches for one in batch.outcomes}
        n_ok = sum(state == "ok" for state in states.values())
        written = (run.path / FOLDER / f"{name}.jsonl").stat()
        heard = time.time() - written.st_mtime if written.st_size else None
        rows.append(Row(name, n_ok, len(states) - n_ok, heard, _where(run.path, name)))
    return rows


def awaited(run: RunDirectory, names: set[str]) -> Iterator[str]:
    """Samples (as the directory names them) as any worker tells of them, until none lacks."""
    known, seen = set[str](), None
    while not names <= known:
        now = _sizes(run.path)
        if now == seen:
            time.sleep(EVERY)
            continue
        told_of = told(journals_of(run.path, run.config.run_id))
        seen, new = now, (told_of & names) - known
        yield from sorted(new)
        known |= new


def _sizes(run: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in (run / FOLDER).glob("*.jsonl")}


def _folder(run: Path) -> Path:
    return cache_root() / "workers" / content_hash(str(run.resolve()))


def _where(run: Path, name: str) -> str:
    try:
        said = json.loads((_folder(run) / f"{name}.json").read_bytes())
        text = f"{said['host']}, process {said['process']}, {said['device']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return text[:_MOST_CHARACTERS]
