"""LoRA files: what is in one, whether it fits a base, and the same change under other names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.near import near_miss
from persongen_bench.stacks.diffusion.hub_layout import WeightFile
from persongen_bench.stacks.published.blueprints import FULL
from persongen_bench.stacks.with_lora import base_of
from persongen_bench.util.files import usable_folder, writable_file
from persongen_bench.util.lora.base import Base
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.reading import Mask, read_lora
from persongen_bench.util.lora.svd import kept_share, truncated
from persongen_bench.util.lora.writing import Naming, write_lora
from persongen_bench.util.said import shown, whole

MOST_RANK = 4096


@dataclass(frozen=True)
class GroupRow:
    """Layers of one kind, such as ``attn2.to_v``."""

    name: str
    n_layers: int
    ranks: tuple[int, ...]
    kept: float
    """Smallest share of a layer's squared norm that was kept; 1 where nothing was cut."""


@dataclass(frozen=True)
class ConvertedLora:
    """What was read and written."""

    path: Path
    """The file with the weights."""
    lora: LoraLayers
    rows: tuple[GroupRow, ...]
    bases: tuple[str, ...]
    """Those of the known bases (SD 1.5, SDXL, the sandbox) that it fits."""


def convert_lora(
    source: str | Path,
    target: str | Path,
    *,
    to: Naming = "diffusers",
    rank: int | None = None,
    only: Mask | None = None,
    base: str | None = None,
) -> ConvertedLora:
    """Write the LoRA of any file that people have under the names of one library.

    Args:
        source: the file; see `read_lora` for what is read and what is refused.
        target: file to write (of peft: folder), float32, every multiplier 1.
        to: ``diffusers``, ``kohya`` or ``peft``.
        rank: cut every layer to this rank, as near as any change of that rank can be.
        only: ``unet`` leaves out what belongs to text encoders.
        base: a stack whose decoder it must fit; None: any.

    Raises:
        DataError: for a file that is not a plain LoRA or does not fit.
        ConfigError: for a wrong setting.
    """
    _check(to, only, rank)
    if to == "peft":
        usable_folder(Path(target), "the folder of the LoRA", "Name another one.")
    else:
        writable_file(Path(target))
    read = read_lora(Path(source), None if base is None else known_base(base), only)
    lora = read if rank is None else truncated(read, rank)
    path = write_lora(lora, Path(target), to)
    fitting = (name for name in ("sd15", "sdxl", "sandbox") if known_base(name).fits(lora))
    return ConvertedLora(path, lora, _rows(read, lora), tuple(fitting))


def known_base(stack: str) -> Base:
    """The layers of a stack's denoiser; of a published one without its files."""
    if stack not in FULL:
        return base_of(registry.get("stacks", stack)())
    files = [file for place, file in FULL[stack].items() if "unet/" in place]
    (unet,) = [file for file in files if isinstance(file, WeightFile)]
    named = {t.name.removesuffix(".weight"): t.shape for t in unet.tensors if ".weight" in t.name}
    layers = {name: shape for name, shape in named.items() if len(shape) in (2, 4)}
    return Base(f"stack {stack}", layers, int(unet.config["layers_per_block"]))


def group_of(path: str) -> str:
    """The kind of a layer: its path without the block, such as ``attn2.to_v`` or ``conv1``."""
    return path.rpartition("transformer_blocks.")[2].partition(".")[2] or path.rpartition(".")[2]


def _rows(before: LoraLayers, after: LoraLayers) -> tuple[GroupRow, ...]:
    groups: dict[str, list[str]] = {}
    for path in after.layers:
        groups.setdefault(group_of(path), []).append(path)
    return tuple(
        GroupRow(
            name,
            len(paths),
            tuple(sorted({after.layers[path].rank for path in paths})),
            min(_kept(before, after, path) for path in paths),
        )
        for name, paths in sorted(groups.items())
    )


def _kept(before: LoraLayers, after: LoraLayers, path: str) -> float:
    old, new = before.layers[path], after.layers[path]
    return 1.0 if old.rank == new.rank else kept_share(old, new.rank)


def _check(to: str, only: str | None, rank: int | None) -> None:
    for name, said, known in (
        ("to", to, get_args(Naming)),
        ("only", only, (*get_args(Mask), None)),
    ):
        if said not in known:
            words = ", ".join(str(one) for one in known if one is not None)
            fix = near_miss(said, filter(None, known), f"Use {words}.")
            raise ConfigError(f"{name} is {shown(said)}", fix=fix)
    if rank is not None:
        whole("rank", rank, 1, MOST_RANK)
