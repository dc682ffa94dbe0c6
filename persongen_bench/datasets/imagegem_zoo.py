"""ImageGem's LoRAs as a zoo: weights from files, and the pictures that people made with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from persongen_bench.core.errors import DataError
from persongen_bench.core.regular_files import require_inside
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.datasets import imagegem_parts as parts
from persongen_bench.datasets import prompt_words
from persongen_bench.datasets.imagegem_parts import ImagegemConfig
from persongen_bench.datasets.imagegem_relation import among
from persongen_bench.datasets.imagegem_tables import Relations
from persongen_bench.util.files import short_sha256
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.writing import to_adapter

NOBODY = "unknown"
"""Owner of a LoRA of which nobody says who uploaded it."""


@dataclass(frozen=True)
class LoraFiles:
    """Opens the column ``file`` of a zoo's table: paths relative to ``root``."""

    root: Path

    def open(self, rows: pd.DataFrame) -> list[Adapter]:
        """The LoRAs of ``rows``; what belongs to a text encoder is left out.

        A file that is no plain LoRA raises `DataError`, see `persongen_bench.util.lora.reading`.
        """
        adapters = []
        for name in rows["file"]:
            require_inside(self.root / str(name), self.root, "data root")
            adapters.append(to_adapter(read_lora(self.root / str(name), only="unet")))
        return adapters


def zoo_of(tables: Relations, config: ImagegemConfig) -> tuple[ModelZoo, str]:
    """The LoRAs whose file is there, of which a share is held out by seed; and what was left out.

    Raises `DataError` where no table names files, or none of them is there.
    """
    root, models = tables.root, tables.models
    if "file" not in models:
        raise DataError(
            f"{root}: no column file of the models",
            fix="Add it (paths of safetensors files), or use --data-option weights=none.",
        )
    there = np.array([bool(n) and (root / str(n)).is_file() for n in models["file"]], dtype=bool)
    if int(there.sum()) < 2:
        raise DataError(
            f"{root}: the files of {int(there.sum()):,} of {len(models):,} LoRAs are there, "
            "expected two at least", fix="Put them where the column file says.",
        )  # fmt: skip
    items = _items(models[there], root, config)
    examples = _examples(tables, items.index, config)
    lost = len(models) - len(items)
    note = f"{lost:,} of {len(models):,} LoRAs have no file there" if lost else ""
    return ModelZoo(items, LoraFiles(root), examples), note


def _items(models: pd.DataFrame, root: Path, config: ImagegemConfig) -> pd.DataFrame:
    items = parts.plain_labels(models.drop(columns="timestamp", errors="ignore"))
    items = items.rename(columns={"base_model": "base"}).rename_axis("model_id")
    owner = items.get("owner", NOBODY)
    n_held_out = min(max(1, round(config.held_out_models * len(items))), len(items) - 1)
    return items.assign(
        owner=owner,
        rank=items.get("rank", 0),
        held_out=prompt_words.drawn(items.index, n_held_out, config.seed),
        weights=[short_sha256(root / str(n)) for n in items["file"]] if config.checksums else "",
    )


def _examples(tables: Relations, models: pd.Index, config: ImagegemConfig) -> Catalog:
    """Every picture once for each of its LoRAs, by ``<model>/<image>``."""
    uses = tables.uses[among(tables.uses["model_id"], models)]
    images = tables.images.reindex(uses["image_id"])
    columns = {"caption": images["prompt"].to_numpy(), "model_id": uses["model_id"].to_numpy()}
    if "image" in images:
        columns["image"] = images["image"].to_numpy()
    names = uses["model_id"] + "/" + uses["image_id"]
    items = pd.DataFrame(columns, index=pd.Index(names.to_numpy(), name="item_id"))
    items = items.assign(_picture=uses["image_id"].to_numpy()).sort_index()
    return parts.catalog_of(items, tables.root, config)
