"""Adapters on disk, one file per owner, read one at a time."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from persongen_bench.core.errors import RunError
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import content_hash
from persongen_bench.util.files import write_atomic


class AdapterStore:
    """A folder of safetensors that diffusers can load too.

    A LoRA is stored as `StableDiffusionPipeline.save_lora_weights` stores it, a word as
    ``load_textual_inversion`` reads it: ``{word: vectors}``.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="pgbench-adapters-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder

    def path(self, owner: str) -> Path:
        """File of an owner; a hash, because ids may hold any character."""
        return self.folder / f"adapter-{content_hash(owner)}.safetensors"

    def holds(self, owner: str, identity: str | None = None) -> bool:
        """Whether there is an adapter, and (where given) whether ``identity`` made it."""
        path = self.path(owner)
        if not path.exists():
            return False
        return identity is None or _facts(path).get("identity") == identity

    def write(self, owner: str, adapter: Adapter, facts: Mapping[str, object]) -> None:
        """Store an adapter with JSON ``facts`` about it, whole or not at all."""
        tensors = {name: np.ascontiguousarray(v) for name, v in _tensors(adapter).items()}
        described = {**facts, "owner": owner, "alpha": adapter.alpha, "words": list(adapter.words)}
        metadata = {"format": "pt", "persongen_bench": json.dumps(described, sort_keys=True)}
        write_atomic(self.path(owner), save(tensors, metadata))

    def read(self, owner: str) -> Adapter:
        """The adapter of an owner; raises `RunError` for a missing or damaged file."""
        path = self.path(owner)
        try:
            facts = _facts(path)
            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            words = {word: tensors.pop(word) for word in facts["words"]}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path}: no readable adapter of {owner!r} ({error})", fix="Fit the method again."
            ) from None
        return Adapter(lora=tensors, alpha=facts["alpha"], words=words)

    def copy_to(self, folder: Path, owners: Iterable[str]) -> AdapterStore:
        """A store in another folder with the files of ``owners``."""
        other = AdapterStore(folder)
        for owner in owners:
            shutil.copyfile(self.path(owner), other.path(owner))
        return other

    def take(self, other: AdapterStore, owners: Iterable[str], identity: str) -> None:
        """Copy those adapters of ``owners`` that ``identity`` made, and leave damaged ones."""
        for owner in owners:
            with suppress(RunError, OSError, SafetensorError, KeyError, TypeError, ValueError):
                if other.holds(owner, identity):
                    other.read(owner)
                    write_atomic(self.path(owner), other.path(owner).read_bytes())


def _tensors(adapter: Adapter) -> dict[str, np.ndarray]:
    return {**adapter.lora, **adapter.words}


def _facts(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        facts: dict[str, Any] = json.loads((file.metadata() or {})["persongen_bench"])
    return facts
