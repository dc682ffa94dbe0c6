"""Prompts to evaluate with: PartiPrompts, DiffusionDB's metadata, or a file of one's own.

Some are drawn, by topic, category and seed, and asked for on the track ``alignment`` (paper 004,
5.1: 200 of DiffusionDB a topic); the others stand for training. There are no pictures.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from persongen_bench.core.config import Config as BaseConfig
from persongen_bench.core.dataset import Dataset, DatasetCard, Split
from persongen_bench.core.errors import DataError
from persongen_bench.core.ratings import canonical
from persongen_bench.core.types import Catalog, NoImages, content_hash
from persongen_bench.datasets.prompt_sets import SUFFIXES, PromptChoice, choose, read_prompts

HELD_OUT_PROMPTS = "held-out-prompts"
"""Name of the split."""
INSTRUCTIONS = (
    "Put PartiPrompts.tsv (https://github.com/google-research/parti), DiffusionDB's "
    "metadata.parquet (https://github.com/poloclub/diffusiondb) or a file of your own, a prompt a "
    "line, into ROOT, or name it with --data."
)


class PromptsConfig(BaseConfig):
    """Which prompts are drawn."""

    file: str = ""
    """Name of the file in the data folder; empty: the only one there."""
    topic: str = Field(default="", pattern="^(|cars|dogs|scenery)$")
    """Only prompts with a key word of it (paper 004, Table 2)."""
    category: str = ""
    """Only prompts of a category of PartiPrompts."""
    n: int = Field(default=200, ge=1)
    """How many are drawn (paper 004, 5.1: 200 a topic)."""
    humans: bool = False
    """Whether prompts about human characters may be drawn; never with a topic."""
    unsafe: float | None = Field(default=0.2, ge=0, le=1)
    """Prompts of a higher ``prompt_nsfw`` are left out, where there is such a column."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw."""


class Prompts:
    """Prompts to draw, without pictures or likes."""

    Config: ClassVar[type[BaseConfig]] = PromptsConfig
    tracks: ClassVar[tuple[str, ...]] = ("alignment",)

    @classmethod
    def load(cls, config: PromptsConfig, root: Path | None) -> Dataset:
        """Read the file and draw; raises `DataError` with file, row, cause and fix."""
        path = _file(root, config.file)
        rows = read_prompts(path, config.unsafe)
        choice = PromptChoice(
            config.topic, config.category, config.n, config.seed, config.unsafe, config.humans
        )
        drawn = choose(rows, choice, str(path))
        if len(drawn) == len(rows):
            raise DataError(
                f"{path}: all {len(rows):,} prompts are drawn, and none is left for training",
                fix="Lower n, or add prompts.",
            )
        items = _items(rows)
        held_out = items.index[items["caption"].isin(drawn["prompt"])]
        log = _log(rows, items)
        split = partial(_held_out, held_out=held_out)
        card = _card(path, config, len(rows), len(drawn))
        texts = tuple(str(text) for text in drawn["prompt"])
        catalog = Catalog(items, NoImages())
        return Dataset("prompts", card, catalog, log, {HELD_OUT_PROMPTS: split}, prompts=texts)


def _file(root: Path | None, name: str) -> Path:
    if root is None:
        raise DataError("dataset prompts: no data folder named (--data ROOT)", fix=INSTRUCTIONS)
    if root.is_file():
        return root
    if name:
        if "/" in name or "\\" in name or not (root / name).is_file():
            raise DataError(f"{root}: no file {name!r} in it", fix=INSTRUCTIONS)
        return root / name
    there = sorted(p for p in root.iterdir() if p.suffix in SUFFIXES) if root.is_dir() else []
    if len(there) != 1:
        names = ", ".join(path.name for path in there) or "none"
        raise DataError(
            f"{root}: expected one file of prompts, found {names}",
            fix="Name it: --data-option file=NAME. " + INSTRUCTIONS,
        )
    return there[0]


def _items(rows: pd.DataFrame) -> pd.DataFrame:
    ids = pd.Index([f"prompt-{content_hash(str(text))}" for text in rows["prompt"]])
    items = pd.DataFrame(
        {"caption": rows["prompt"].to_numpy(), "category": rows["category"].to_numpy()},
        index=ids.rename("item_id"),
    )
    return items.sort_index()


def _log(rows: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    id_of = pd.Series(items.index, index=items["caption"])
    log = pd.DataFrame({
        "user_id": rows["user_id"].to_numpy(), "item_id": id_of[rows["prompt"]].to_numpy(),
        "rating": 1.0, "liked": True, "timestamp": np.nan,
    })  # fmt: skip
    return canonical(log.astype({"user_id": "str", "item_id": "str"}))


def _held_out(interactions: pd.DataFrame, seed: int, *, held_out: pd.Index) -> Split:
    rows = canonical(interactions)
    held = rows["item_id"].isin(held_out)
    train, test = (rows[part].reset_index(drop=True) for part in (~held, held))
    return Split(HELD_OUT_PROMPTS, seed, train, test, promise=frozenset({"items"}))


def _card(path: Path, config: PromptsConfig, n_all: int, n: int) -> DatasetCard:
    of = config.topic or config.category or "any topic"
    return DatasetCard(
        title=f"Prompts of {path.name}",
        description=f"{n:,} of {n_all:,} different prompts, of {of}, drawn by seed {config.seed}.",
        license="of the file (PartiPrompts: Apache-2.0; DiffusionDB: CC0)",
        source=path.name,
        citation="Yu et al., Scaling Autoregressive Models for Content-Rich Text-to-Image "
        "Generation, 2022; Wang et al., DiffusionDB, ACL 2023",
        instructions=INSTRUCTIONS,
        notes=(
            "There are no pictures and no likes: whoever wrote a prompt stands in the log.",
            "Prompts about human characters are left out by a list of words, which is ours."
            if config.topic or not config.humans else "Prompts may be about human characters.",
        ),
    )  # fmt: skip
