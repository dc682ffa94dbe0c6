"""What a part of a LoRA draws: rank 1 against full, and groups of layers (004, Tables 9 and 10).

All variants of a model draw the same prompts from the same seeds as the decoder without it, and
are compared with that picture, and with the full LoRA's, by cosines in the role ``clip``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from PIL import ImageDraw

from persongen_bench.api.lora_groups import Groups, group_change
from persongen_bench.core import registry
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.near import near_miss
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import Condition
from persongen_bench.core.types import Image, content_hash
from persongen_bench.leaderboards.sheets import (
    BODY,
    GAP,
    HEAD,
    MARGIN,
    NAME,
    new_sheet,
    place_image,
    write_line,
    write_sheet,
)
from persongen_bench.loop.choice import Options
from persongen_bench.loop.world import load_data
from persongen_bench.stacks.with_lora import base_of
from persongen_bench.stats.intervals import interval
from persongen_bench.util.files import write_atomic
from persongen_bench.util.lora.base import Base
from persongen_bench.util.lora.layers import LoraLayers
from persongen_bench.util.lora.reading import read_lora
from persongen_bench.util.lora.svd import truncated
from persongen_bench.util.lora.writing import from_adapter, to_adapter
from persongen_bench.util.spreadsheet import csv_bytes
from persongen_bench.util.vectors import unit_rows

Experiment = Literal["rank-one", "layers"]
Variants: TypeAlias = Mapping[str, Callable[[LoraLayers], LoraLayers | None]]
BASE, FULL = "base", "full"
VARIANTS: Mapping[str, Variants] = {
    "rank-one": {FULL: lambda lora: lora, "rank-1": partial(truncated, rank=1)},
    "layers": {FULL: lambda lora: lora}
    | {name: partial(group_change, group=name) for name in get_args(Groups)},
}
"""What is drawn in each experiment; None: the model has no such layer."""
COLUMNS = ("model", "variant", "prompt", "seed", "to_base", "to_full")
CSV, TABLE, SHEET = "pictures.csv", "table.csv", "strips.png"
SHOWN = 12
"""Models on a sheet."""


@dataclass(frozen=True)
class Draw:
    """What every variant draws."""

    prompts: tuple[str, ...] = ("",)
    n_seeds: int = 4
    """Pictures of each prompt."""

    @property
    def asked(self) -> list[tuple[str, int]]:
        """Prompt and seed of every picture, the same for all variants and models."""
        return [
            (prompt, int(content_hash("experiment", prompt, k), 16) >> 1)
            for prompt in self.prompts
            for k in range(self.n_seeds)
        ]


@dataclass(frozen=True)
class Report:
    """What an experiment found."""

    name: Experiment
    pictures: pd.DataFrame
    """`COLUMNS`: cosines of each picture to the one without the LoRA, and to the full LoRA's."""
    strips: tuple[tuple[str, dict[str, Image]], ...]
    """Model => picture of each variant at the first prompt and seed."""

    @property
    def table(self) -> pd.DataFrame:
        """Per variant: mean and sd over pictures, as printed, and the 95% interval over models."""
        rows = []
        for variant in dict.fromkeys(self.pictures["variant"]):
            own = self.pictures[self.pictures["variant"] == variant]
            by_model = own.groupby("model", sort=True)["to_base"].mean().to_numpy()
            about = interval(by_model, np.random.default_rng(0))
            rows.append(
                {
                    "variant": variant, "models": len(by_model), "pictures": len(own),
                    "to_base": own["to_base"].mean(), "sd": own["to_base"].std(ddof=1),
                    "low": about.low, "high": about.high, "to_full": own["to_full"].mean(),
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def save(self, folder: Path) -> Path:
        """Every cosine and the table as CSV, the first pictures as a sheet; returns the folder."""
        write_atomic(folder / CSV, csv_bytes(self.pictures))
        write_atomic(folder / TABLE, csv_bytes(self.table))
        _sheet(self, folder / SHEET)
        return folder


def experiment(
    name: Experiment,
    models: Mapping[str, LoraLayers] | Iterator[tuple[str, LoraLayers]],
    stack: Any = "sandbox",  # noqa: ANN401  # a name, or a stack
    draw: Draw = Draw(),  # frozen
    progress: Progress = no_progress,
) -> Report:
    """Draw every variant of every model and compare the pictures.

    Args:
        name: ``rank-one``: the whole LoRA and its nearest change of rank 1. ``layers``: the change
            of the value projections, of all attention, of the feed-forward layers, and of the
            first and the last together, each alone.
        models: LoRAs by name, see `lora_files_in` and `lora_models_of`.
        stack: whose ``decoder`` draws and whose ``clip`` compares.
        draw: prompts and seeds.
        progress: over models.

    Raises:
        ConfigError: for a wrong name, or where there is no model.
    """
    if name not in VARIANTS:
        raise ConfigError(
            f"no experiment is called {name!r}",
            fix=near_miss(name, VARIANTS, f"Use {', '.join(VARIANTS)}."),
        )
    opened = registry.get("stacks", stack)() if isinstance(stack, str) else stack
    drawing = _Drawing(opened, draw)
    rows: list[tuple[Any, ...]] = []
    strips: list[tuple[str, dict[str, Image]]] = []
    pairs = models.items() if isinstance(models, Mapping) else models
    for model, lora in progress(pairs, "models", None):
        pictures = drawing.variants(lora, VARIANTS[name])
        rows += drawing.compared(model, pictures)
        if len(strips) < SHOWN:
            strips.append((model, {variant: images[0] for variant, images in pictures.items()}))
    if not rows:
        raise ConfigError("there is no model to draw with", fix="Name a folder with LoRA files.")
    return Report(name, pd.DataFrame(rows, columns=list(COLUMNS)), tuple(strips))


class _Drawing:
    """Pictures of one stack, those without a LoRA drawn once."""

    def __init__(self, stack: Any, draw: Draw) -> None:  # noqa: ANN401  # as `experiment`
        base_of(stack)  # says in one line where there is no such decoder
        self._decoder, self._clip = stack.role("decoder"), stack.role("clip")
        self._asked = draw.asked
        self._base = self._drawn()

    def variants(self, lora: LoraLayers, variants: Variants) -> dict[str, list[Image]]:
        """The pictures of every variant that there is, those without the LoRA first."""
        pictures = {BASE: self._base}
        for name, part in variants.items():
            change = part(lora)
            if change is not None:
                with self._decoder.adapted(to_adapter(change)):
                    pictures[name] = self._drawn()
        return pictures

    def compared(self, model: str, pictures: Mapping[str, list[Image]]) -> list[tuple[Any, ...]]:
        """Rows of `COLUMNS`."""
        spots = {name: unit_rows(self._clip.encode(images)) for name, images in pictures.items()}
        rows: list[tuple[Any, ...]] = []
        for name, own in spots.items():
            to_base, to_full = ((own * spots[other]).sum(axis=1) for other in (BASE, FULL))
            if name != BASE:
                rows += [
                    (model, name, prompt, seed, float(to_base[k]), float(to_full[k]))
                    for k, (prompt, seed) in enumerate(self._asked)
                ]
        return rows

    def _drawn(self) -> list[Image]:
        conditions = [Condition(prompt) for prompt, _ in self._asked]
        images: list[Image] = self._decoder.draw(conditions, [seed for _, seed in self._asked])
        return images


def lora_files_in(folder: Path, base: Base | None = None) -> Iterator[tuple[str, LoraLayers]]:
    """The LoRA files of a folder by name; text encoders are left out, a wrong file is an error."""
    files: Sequence[Path] = sorted(folder.glob("*.safetensors"))
    if not files:
        raise DataError(f"{folder}: no *.safetensors in it", fix="Name a folder with LoRA files.")
    for file in files:
        yield file.stem, read_lora(file, base, only="unet")


def lora_models_of(
    dataset: str, options: Options, root: Path | None = None, most: int | None = None
) -> Iterator[tuple[str, LoraLayers]]:
    """The models of a data set by name, at most so many, evenly through its table."""
    zoo = load_data(dataset, options, root).models
    if zoo is None:
        raise ConfigError(f"data set {dataset} holds no models", fix="Use tasteworld-models.")
    ids = zoo.ids
    n = len(ids) if most is None else min(most, len(ids))
    for place in np.linspace(0, len(ids) - 1, n).round().astype(int) if n else ():
        yield ids[place], from_adapter(zoo.open([ids[place]])[0])


def _sheet(report: Report, path: Path, cell: int = 112) -> None:
    """A row a model, a column a variant, all from one prompt and seed."""
    names = list(dict.fromkeys(name for _, shown in report.strips for name in shown))
    left, top = MARGIN + 190, HEAD + 30
    width = left + len(names) * (cell + GAP) + MARGIN
    height = top + len(report.strips) * (cell + GAP) + MARGIN
    title = f"What a part of a LoRA draws: {report.name}"
    n_models = report.pictures["model"].nunique()
    about = f"{len(report.strips)} of {n_models} models; one prompt and one seed in all cells"
    sheet = new_sheet(max(width, 720), height, title, about)
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        write_line(pen, (left + column * (cell + GAP), top - 24), name, NAME, cell)
    for row, (model, shown) in enumerate(report.strips):
        y = top + row * (cell + GAP)
        write_line(pen, (MARGIN, y + cell // 2 - 8), model, BODY, left - MARGIN - GAP)
        for column, name in enumerate(names):
            place_image(sheet, shown.get(name), (left + column * (cell + GAP), y), cell)
    write_sheet(sheet, path)
