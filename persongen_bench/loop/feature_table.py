"""What an encoder said about images, on disk by content: rows of numbers, and words.

A row belongs to the pixels of an image (`images.pixel_hash`), whichever catalogue or run holds
it; the folder belongs to one encoder signature (weights, preprocessing, dtype).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from jaxtyping import Int, UInt64

from persongen_bench.core.types import Description, Embeddings, content_hash
from persongen_bench.util.descriptions import described, stored
from persongen_bench.util.files import folder_atomic

Keys = UInt64[np.ndarray, " n"]
MAX_SHARDS = 24
"""More are merged into one when the next is added."""


def keys_of(pixel_hashes: Sequence[str]) -> Keys:
    """Sixteen hexadecimal digits each => uint64."""
    return np.array([int(digits, 16) for digits in pixel_hashes], dtype=np.uint64)


@dataclass(frozen=True)
class _Shard:
    """Rows written together; ``keys`` sorted, ``order`` their places among the rows."""

    path: Path
    keys: Keys
    order: Int[np.ndarray, " n"]
    rows: Embeddings

    @classmethod
    def open(cls, path: Path) -> _Shard:
        keys = np.load(path / "keys.npy")
        order = np.argsort(keys, kind="stable")
        return cls(path, keys[order], order, np.load(path / "rows.npy", mmap_mode="r"))

    def find(self, keys: Keys) -> Int[np.ndarray, " n"]:
        """Row of every key; -1 where there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.order[place], -1)


class FeatureTable:
    """The rows of one encoder, float32 and memory-mapped; any number of processes may add."""

    def __init__(self, folder: Path, embedding_size: int) -> None:
        self._folder = folder
        self._size = embedding_size
        self._shards: dict[Path, _Shard] = {}
        self._look()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from adding; what they added before is seen inside."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / ".lock"):
            self._look()
            yield

    def known(self, keys: Keys) -> np.ndarray:
        """Which keys have a row."""
        found = np.zeros(len(keys), dtype=bool)
        for shard in self._shards.values():
            found |= shard.find(keys) >= 0
        return found

    def rows(self, keys: Keys) -> Embeddings:
        """float32 ``(n, embedding_size)`` in the order of the keys; KeyError for an unknown one."""
        found = np.empty((len(keys), self._size), dtype=np.float32)
        missing = np.ones(len(keys), dtype=bool)
        for shard in self._shards.values():
            place = shard.find(keys)
            here = missing & (place >= 0)
            found[here] = shard.rows[place[here]]
            missing &= ~here
        if missing.any():
            raise KeyError(f"{keys[missing][0]:016x}")
        return found

    def add(self, keys: Keys, rows: Embeddings) -> None:
        """Keep new rows; call it inside `lock`."""
        self._write(keys, [rows])
        if len(self._shards) > MAX_SHARDS:
            self._merge()

    def _write(self, keys: Keys, parts: Sequence[Embeddings]) -> None:
        path = self._folder / content_hash([f"{key:x}" for key in keys])
        with folder_atomic(path) as fresh:
            np.save(fresh / "keys.npy", keys)
            shape = (len(keys), self._size)
            rows = np.lib.format.open_memmap(fresh / "rows.npy", "w+", np.float32, shape)
            start = 0
            for part in parts:
                rows[start : start + len(part)] = part
                start += len(part)
            rows.flush()
        self._shards[path] = _Shard.open(path)

    def _merge(self) -> None:
        """One shard of all; the old files stay readable to whoever has them open."""
        old = list(self._shards.values())
        self._write(
            np.concatenate([s.keys for s in old]), [np.asarray(s.rows)[s.order] for s in old]
        )
        for shard in old:
            del self._shards[shard.path]
            shutil.rmtree(shard.path, ignore_errors=True)

    def _look(self) -> None:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if path in self._shards or path.name.startswith(".") or not path.is_dir():
                continue
            try:
                self._shards[path] = _Shard.open(path)
            except FileNotFoundError:  # merged into another one meanwhile, which we see next
                continue


class DescriptionTable:
    """The words of one captioner, by content."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, pixel_hashes: Sequence[str]) -> dict[str, Description]:
        """The descriptions there are of these images."""
        wanted = json.dumps(list(dict.fromkeys(pixel_hashes)))
        query = "SELECT key, said FROM words WHERE key IN (SELECT value FROM json_each(?))"
        with self._open() as db:
            rows = db.execute(query, (wanted,)).fetchall()
        return {key: described(json.loads(said)) for key, said in rows}

    def add(self, pixel_hashes: Sequence[str], said: Sequence[Description]) -> None:
        """Keep new descriptions."""
        pairs = zip(pixel_hashes, said, strict=True)
        rows = [(h, json.dumps(stored(d))) for h, d in pairs]
        with self._open() as db:
            db.executemany("INSERT OR REPLACE INTO words VALUES (?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=60)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS words (key TEXT PRIMARY KEY, said TEXT)")
            yield db
