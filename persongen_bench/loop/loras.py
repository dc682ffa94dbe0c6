"""LoRAs in the decoder: opened with a stack, and kept so that a run can be gone on with."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.stack import Stack
from persongen_bench.stacks.with_lora import StackWithLora, base_of, with_lora
from persongen_bench.util.cache_places import locked_entry
from persongen_bench.util.files import cache_root
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.writing import write_lora
from persongen_bench.util.sealed import read_sealed, seal


def open_with(stack: Stack, path: Path) -> tuple[str, StackWithLora]:
    """The digest of the LoRA in a file, and the stack with it; raises `DataError`, one line.

    The cache keeps the LoRA by its digest: the path is in no file of a run.
    """
    lora = read_lora(path, base_of(stack))
    keep(lora)
    return lora.digest, with_lora(stack, lora)


def keep(lora: LoraLayers) -> Path:
    """The file in the cache that holds a LoRA, written where it is not there."""
    place = _place(lora.digest)
    if read_sealed(place, bytes) is None:
        with locked_entry(place):
            write_lora(lora, place)
            seal(place)
    return place


def kept(digest: str | None) -> Path | None:
    """The file of a digest (None: of none); `ConfigError` where the cache has no sound one."""
    if digest is None or read_sealed(_place(digest), bytes) is not None:
        return None if digest is None else _place(digest)
    raise ConfigError(
        f"this run draws with the LoRA {digest}, which the cache does not have",
        fix="Name its file: --lora FILE.",
    )


def _place(digest: str) -> Path:
    return cache_root() / "loras" / f"{digest}.safetensors"
