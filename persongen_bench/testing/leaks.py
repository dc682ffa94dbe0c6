"""Find held-out data that a method could reach: in the objects it holds, and in the files it opens.

The walk follows what Python code can follow from an object: attributes, containers, closures,
frames, weak references, array and Arrow memory. It does not enter modules, classes or the globals
of functions, which hold the whole program.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

_CLOSED = (types.ModuleType, type, types.CodeType)


def find_strings(root: object, wanted: Set[str], *, inside_memory: bool = False) -> dict[str, str]:
    """Which strings of ``wanted`` can be reached from ``root``, and by what kind of path.

    Args:
        root: any object.
        wanted: the strings to look for; equal strings count.
        inside_memory: also look for them inside bytes, longer strings and raw array memory. Only
            for strings that cannot stand there by chance, such as long random ids.

    Returns:
        The strings found, each with the types on the way to it, ``View > Catalog > DataFrame``.
    """
    trails: dict[str, str] = {}
    for holder, trail in _walk(root):
        for text in _matches(holder, wanted, inside_memory):
            trails.setdefault(text, " > ".join(trail))
    return trails


def _walk(root: object) -> Iterator[tuple[object, tuple[str, ...]]]:
    """Every reachable object once, breadth first, with the type names that lead to it."""
    queue: deque[tuple[object, tuple[str, ...]]] = deque([(root, (type(root).__name__,))])
    seen: dict[int, object] = {id(root): root}
    while queue:
        holder, trail = queue.popleft()
        yield holder, trail
        for part in _parts(holder):
            if id(part) not in seen and not isinstance(part, _CLOSED):
                seen[id(part)] = part
                queue.append((part, (*trail, type(part).__name__)))


def _parts(holder: object) -> Iterable[object]:
    """What one step of Python code can reach from ``holder``."""
    if isinstance(holder, types.FunctionType):
        return [holder.__closure__, holder.__defaults__, holder.__kwdefaults__, holder.__dict__]
    if isinstance(holder, weakref.ref):
        return [holder()]
    if isinstance(holder, np.ndarray):
        return [*_elements(holder), holder.base, *gc.get_referents(holder)]
    if isinstance(holder, (pa.Array, pa.ChunkedArray, pa.Table)):
        return [holder.to_pylist(), *_buffers(holder)]
    return gc.get_referents(holder)


def _elements(array: np.ndarray) -> list[object]:
    """The Python objects an array holds; its numbers are not objects."""
    return list(array.ravel()) if array.dtype.kind in "OUS" else []


def _buffers(array: Any) -> list[object]:  # noqa: ANN401  # three Arrow types without a base
    """Raw memory below Arrow data: a slice keeps the rows it does not show."""
    if isinstance(array, pa.Table):
        array = array.columns
        return [buffer for column in array for buffer in _buffers(column)]
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    return [bytes(buffer) for chunk in chunks for buffer in chunk.buffers() if buffer is not None]


def _matches(holder: object, wanted: Set[str], inside_memory: bool) -> list[str]:
    if isinstance(holder, str):
        if holder in wanted:
            return [str(holder)]
        return [text for text in wanted if text in holder] if inside_memory else []
    if not inside_memory:
        return []
    if isinstance(holder, np.ndarray) and holder.dtype.kind != "O":
        holder = holder.tobytes()
    if isinstance(holder, (bytes, bytearray)):
        return [text for text in wanted if text.encode() in holder]
    return []


class _Recorder:
    """One audit hook for the life of the process: hooks cannot be removed, so it can be off."""

    def __init__(self) -> None:
        self.opened: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.opened is not None and event == "open" and isinstance(arguments[0], str | Path):
            self.opened.append(str(arguments[0]))


_recorder: _Recorder | None = None


@contextmanager
def opened_files() -> Iterator[Callable[[], set[Path]]]:
    """Record the files this process opens; yields a function that returns them, resolved."""
    global _recorder  # sys.addaudithook has no inverse
    if _recorder is None:
        _recorder = _Recorder()
        sys.addaudithook(_recorder)
    opened = _recorder.opened = []
    try:
        yield lambda: {Path(name).resolve() for name in opened}
    finally:
        _recorder.opened = None
