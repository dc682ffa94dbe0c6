"""What an encoder said about images, on disk by content: rows of numbers.

A row belongs to the pixels of an image (`images.pixel_hash`), whichever catalogue or run holds
it; the folder belongs to one encoder signature (weights, preprocessing, dtype). Every row has a
checksum over its key and its numbers, which is looked at whenever the row is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock
from jaxtyping import Bool

from persongen_bench.core.types import Embeddings, content_hash
from persongen_bench.loop.feature_shard import (
    AT_ONCE,
    BadShardError,
    Keys,
    Shard,
    write_shard,
)
from persongen_bench.util.batching import blocks
from persongen_bench.util.cache_places import make_folder
from persongen_bench.util.files import remove_whole, sweep
from persongen_bench.util.sealed import said_bad

MAX_SHARDS = 24
"""More are merged into one when the next is added."""


class FeatureTable:
    """The rows of one encoder, float32 on disk; any number of processes may add."""

    def __init__(self, folder: Path, embedding_size: int) -> None:
        self._folder = folder
        self._size = embedding_size
        self._shards: dict[Path, Shard] = {}
        self._bad: set[Path] = set()
        self._look()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from adding; what they added before is seen inside."""
        make_folder(self._folder)
        with FileLock(self._folder / ".lock"):
            sweep(self._folder)
            self._look()
            yield

    def known(self, keys: Keys) -> Bool[np.ndarray, " n"]:
        """Which keys have a row."""
        found = np.zeros(len(keys), dtype=bool)
        for shard in self._shards.values():
            found |= shard.find(keys) >= 0
        return found

    def rows(self, keys: Keys) -> Embeddings:
        """float32 ``(n, embedding_size)`` in the order of the keys; KeyError for an unknown one."""
        rows, sound = self.read(keys)
        if not sound.all():
            raise KeyError(f"{keys[~sound][0]:016x}")
        return rows

    def read(self, keys: Keys) -> tuple[Embeddings, Bool[np.ndarray, " n"]]:
        """Rows as `rows`, and which keys have one; a shard with a bad row is removed."""
        rows = np.empty((len(keys), self._size), dtype=np.float32)
        sound = np.zeros(len(keys), dtype=bool)
        for block in blocks(len(keys), AT_ONCE):
            while not self._read_into(keys[block], rows[block], sound[block]):
                sound[block] = False
        return rows, sound

    def _read_into(self, keys: Keys, rows: Embeddings, sound: Bool[np.ndarray, " n"]) -> bool:
        """Fill in what is known; False where a shard has gone meanwhile."""
        for shard in list(self._shards.values()):
            place = shard.find(keys)
            here = ~sound & (place >= 0)
            if not here.any():
                continue
            try:
                rows[here] = shard.checked(keys[here], place[here])
            except FileNotFoundError:  # merged into another one
                del self._shards[shard.path]
                self._look()
                return False
            except BadShardError as error:
                self._discard(shard.path, str(error))
                return False
            sound |= here
        return True

    def add(self, keys: Keys, rows: Embeddings) -> None:
        """Keep new rows; call it inside `lock`."""
        self._write(keys, [rows])
        if len(self._shards) > MAX_SHARDS:
            self._merge()

    def _write(self, keys: Keys, parts: Iterable[Embeddings]) -> None:
        path = self._folder / content_hash([f"{key:x}" for key in keys])
        self._bad.discard(path)
        self._shards[path] = write_shard(path, keys, parts, self._size)

    def _merge(self) -> None:
        """One shard of all that can be read; then the old ones go."""
        old = list(self._shards.values())
        keys = np.unique(np.concatenate([shard.keys for shard in old]))
        _, sound = self.read(keys)
        keys = keys[sound]
        self._write(keys, (self.rows(keys[block]) for block in blocks(len(keys), AT_ONCE)))
        for shard in old:
            if self._shards.get(shard.path) is shard:  # else it was bad, or is the new one
                del self._shards[shard.path]
                remove_whole(shard.path)

    def _discard(self, path: Path, reason: str) -> None:
        said_bad(path, reason)
        self._bad.add(path)
        self._shards.pop(path, None)
        remove_whole(path)

    def _look(self) -> None:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if path in self._shards or path.name.startswith(".") or not path.is_dir():
                continue
            try:
                if path not in self._bad:
                    self._shards[path] = Shard.open(path, self._size)
            except FileNotFoundError as error:
                if path.is_dir():  # else merged into another one meanwhile, which we see next
                    self._discard(path, f"{Path(str(error.filename)).name} is missing")
            except BadShardError as error:
                self._discard(path, str(error))
