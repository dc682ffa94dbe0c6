"""A folder of LoRAs: all weights in one file, a table, and a sheet of example pictures.

``loras.safetensors`` holds ``<model id>/<key>`` as float16, keys as diffusers names them and alpha
equal to the rank; ``models.json`` one record per LoRA, in the order of their ids;
``examples.png`` a row of pictures per LoRA, in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.output import ADAPTER
from persongen_bench.core.regular_files import read_regular
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, Image
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.stacks.sandbox.loras.examples import EXAMPLES, SIDE, row_of
from persongen_bench.util.files import file_sha256, write_atomic
from persongen_bench.util.tensor_header import read_header

WEIGHTS, TABLE, SHEET = "loras.safetensors", "models.json", "examples.png"
SHIPPED = Path(__file__).resolve().parents[2] / "weights" / "loras"
"""The part that ships with the package."""
_MOST_BYTES = 1 << 26
"""Of the table."""
_FIX = "Build it with `pgbench models build tasteworld-loras --output FOLDER`."


@dataclass(frozen=True)
class LoraFile:
    """Opens LoRAs of one file; implements `core.zoo.AdapterSource`."""

    path: Path

    def open(self, rows: pd.DataFrame) -> list[Adapter]:
        """The LoRAs of ``rows`` in their order; `DataError` where the file is damaged."""
        try:
            with safe_open(self.path, framework="numpy") as file:
                return [
                    Adapter(
                        {key: file.get_tensor(f"{name}/{key}") for key in self._keys[str(name)]},
                        alpha=float(rank),
                    )
                    for name, rank in zip(rows.index, rows["rank"], strict=True)
                ]
        except (OSError, SafetensorError, KeyError) as error:
            said = f"{self.path}: not the LoRAs of its table ({error})"
            raise DataError(said, fix=_FIX) from None

    @cached_property
    def _keys(self) -> Mapping[str, list[str]]:
        keys: dict[str, list[str]] = {}
        with safe_open(self.path, framework="numpy") as file:
            for key in sorted(file.keys()):
                model, _, name = key.partition("/")
                keys.setdefault(model, []).append(name)
        return keys


@dataclass(frozen=True)
class ExampleSheet:
    """Cuts pictures from the sheet; implements `core.types.ImageSource`."""

    path: Path

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The pictures of ``rows``: uint8 RGB (3, 64, 64)."""
        places = zip(rows["line"].tolist(), rows["column"].tolist(), strict=True)
        return [np.ascontiguousarray(self._cut(line, column)) for line, column in places]

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of each picture."""
        return [3 * SIDE * SIDE] * len(rows)

    def _cut(self, line: int, column: int) -> Image:
        top, left = line * SIDE, column * SIDE
        return self._sheet[:, top : top + SIDE, left : left + SIDE]

    @cached_property
    def _sheet(self) -> Image:
        try:
            return images.read(self.path)
        except DataError as error:
            raise DataError(f"no example pictures: {error}", fix=_FIX) from None


def write_zoo(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    adapters: Sequence[Adapter],
    pictures: Sequence[Sequence[Image]],
) -> None:
    """Write the three files; the records get the digest of their weights and of their pictures."""
    tensors = {
        f"{record['model_id']}/{key}": np.ascontiguousarray(value)
        for record, adapter in zip(records, adapters, strict=True)
        for key, value in adapter.lora.items()
    }
    write_atomic(folder / WEIGHTS, save(tensors))
    sheet = np.concatenate([row_of(row) for row in pictures], axis=1)
    write_atomic(folder / SHEET, images.png_bytes(sheet))
    described = [
        {**record, "weights": ADAPTER.digest(adapter), "pictures": [*map(images.pixel_hash, row)]}
        for record, adapter, row in zip(records, adapters, pictures, strict=True)
    ]
    lines = ",\n".join(json.dumps(record) for record in described)
    write_atomic(folder / TABLE, f"[\n{lines}\n]\n".encode())


def open_zoo(folder: Path = SHIPPED) -> ModelZoo:
    """The LoRAs of a folder with their examples; `DataError` where its files are no such ones."""
    for name in (TABLE, WEIGHTS):
        if not (folder / name).exists():
            raise DataError(f"{folder}: no {name}", fix=_FIX)
    try:
        records = json.loads(read_regular(folder / TABLE, "table", _MOST_BYTES))
        table = pd.DataFrame(records).set_index("model_id")
        examples = _example_table(table.pop("pictures"))
        table["tags"] = table["tags"].astype(str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{folder / TABLE}: no table of LoRAs ({error})", fix=_FIX) from None
    read_header(folder / WEIGHTS, "LoRAs")
    catalog = Catalog(examples, ExampleSheet(folder / SHEET))
    return ModelZoo(table, LoraFile(folder / WEIGHTS), catalog)


def checksums(folder: Path) -> dict[str, str]:
    """sha256 of each of the files."""
    return {name: file_sha256(folder / name) for name in (WEIGHTS, TABLE, SHEET)}


def _example_table(pictures: pd.Series) -> pd.DataFrame:
    rows = [
        {
            "item_id": f"{model}-picture-{column}", "model_id": str(model), "prompt": asked.prompt,
            "seed": asked.seed, "line": line, "column": column, "pixels": digests[column],
        }
        for line, (model, digests) in enumerate(pictures.items())
        for column, asked in enumerate(EXAMPLES)
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("item_id")
