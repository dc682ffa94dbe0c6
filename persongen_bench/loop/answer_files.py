"""The answers of a run on disk: one file per sample, named by its id, and what was drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError
from persongen_bench.core.images import MAX_BYTES
from persongen_bench.core.output import IMAGE, KINDS, LARGEST, OutputKind
from persongen_bench.core.regular_files import read_regular, shown
from persongen_bench.core.types import Image
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.veil import Veil
from persongen_bench.util.files import write_atomic


def _folder_name(kind: OutputKind) -> str:
    return f"{kind.name}s"


FOLDERS = frozenset(map(_folder_name, KINDS.values()))
"""Of a run directory, one for each kind of answers."""


def run_folders(root: Path) -> list[Path]:
    """Folders with a ``run.json`` below ``root``, sorted; not looked for among a run's answers.

    Those may be very many files.
    """
    found = []
    for folder, below, files in os.walk(root):
        if "run.json" in (*files, *below):
            found.append(Path(folder))
            below[:] = set(below) - FOLDERS
    return sorted(found)


class AnswerFiles:
    """Writes answers and finds them again; every file is whole or absent."""

    def __init__(self, path: Path, kind: OutputKind, veil: Veil) -> None:
        self.path = path
        self.kind = kind
        self.veil = veil

    @property
    def kinds(self) -> tuple[OutputKind, ...]:
        """What lies on disk of an answered sample: the answer, and the image drawn with it."""
        return (self.kind, IMAGE) if self.kind.drawable else (self.kind,)

    def output_path(self, sample_id: str, kind: OutputKind | None = None) -> Path:
        """Where the answer of a sample lies; of another kind than the run's: what was drawn."""
        kind, sample_id = kind or self.kind, self.veil.sample(sample_id)
        return self.folder(kind) / sample_id[:2] / f"{sample_id}{kind.suffix}"

    def folder(self, kind: OutputKind) -> Path:
        """Where all of a kind lies."""
        return self.path / _folder_name(kind)

    def holds(self, sample_id: str) -> bool:
        """Whether everything that belongs to an answered sample is on disk."""
        return all(self.output_path(sample_id, kind).exists() for kind in self.kinds)

    def write(self, sample_id: str, answer: Any, drawn: Image | None = None) -> tuple[str, str]:  # noqa: ANN401  # of the run's kind
        """Store an answer and what was drawn with it; returns `Outcome`'s digest and pixel hash.

        By these a lost or torn file is found out.
        """
        digest = self._write(sample_id, self.kind, answer)
        if self.kind is IMAGE:
            return digest, digest
        return digest, "" if drawn is None else self._write(sample_id, IMAGE, drawn)

    def _write(self, sample_id: str, kind: OutputKind, value: Any) -> str:  # noqa: ANN401  # of this kind
        path = self.output_path(sample_id, kind)
        write_atomic(path, kind.to_bytes(value), durable=False)
        return kind.digest(value)

    def intact(self, sample_id: str, digest: str = "") -> Outcome | None:
        """What lies on disk for a sample; None where it cannot be read or has another digest."""
        try:
            values = [read_file(self.output_path(sample_id, k), k) for k in self.kinds]
        except DataError:
            return None
        digests = [k.digest(value) for k, value in zip(self.kinds, values, strict=True)]
        if digest and digests[0] != digest:
            return None
        return Outcome(
            sample_id, "ok", "", digests[0], digests[-1] if self.kinds[-1] is IMAGE else ""
        )


def read_file(path: Path, kind: OutputKind) -> Any:  # noqa: ANN401  # of this kind
    """The answer in a regular file; raises `DataError` for no such one, or one not of this kind."""
    most = MAX_BYTES if kind is IMAGE else LARGEST
    return kind.from_bytes(read_regular(path, kind.name, most), shown(path))
