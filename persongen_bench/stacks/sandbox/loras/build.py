"""Builds all LoRAs from nothing; a killed build goes on where it stopped.

pgbench models build tasteworld-loras --output FOLDER
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from persongen_bench.core import images
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.output import ADAPTER
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox import FOLDER as WEIGHTS
from persongen_bench.stacks.sandbox.loras.examples import (
    draw_examples,
    read_row,
    row_of,
)
from persongen_bench.stacks.sandbox.loras.files import checksums, write_zoo
from persongen_bench.stacks.sandbox.loras.makers import LoraPlan, Makers, ZooPlan
from persongen_bench.stacks.sandbox.loras.training import LoraTrainer, LoraTraining
from persongen_bench.util.files import write_atomic
from persongen_bench.util.recipe import CARD
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES

RECIPE, PARTS, PART = "recipe.json", "parts", "shipped"
"""Beside the LoRAs: how they were made, a file of each, and the part that ships."""
SHIPPED_RANKS: Mapping[int, int] = {1: 32, 2: 18, 4: 6, 8: 3, 16: 1}
"""LoRAs of every rank that ship with the package; the first ones."""


def build(
    folder: Path,
    plan: ZooPlan | None = None,
    training: LoraTraining | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Train every LoRA that is not yet in ``folder``, draw examples, write all; returns it.

    The same recipe and number of threads give the same bytes. ``folder/shipped`` holds the part
    that ships with the package. `ConfigError` where the folder holds LoRAs of another recipe.
    """
    plan, training = plan or ZooPlan(), training or LoraTraining()
    _require_recipe(folder, plan, training)
    models = [Makers(plan).model(number) for number in range(plan.n_models)]
    train_all(folder, models, training, progress)
    adapters = [_read(folder, model) for model in models]
    draw_all(folder, models, progress)
    pictures = [read_row(_row(folder, model)) for model in models]
    _write(folder, models, adapters, pictures)
    places = _shipped(models)
    _write(
        folder / PART,
        [models[k] for k in places],
        [adapters[k] for k in places],
        [pictures[k] for k in places],
    )
    return folder


def train_all(
    folder: Path,
    models: Sequence[LoraPlan],
    training: LoraTraining,
    progress: Progress = no_progress,
) -> None:
    """Train every LoRA without a file in ``folder/parts``."""
    todo = [model for model in models if not _path(folder, model).exists()]
    trainer = LoraTrainer(WEIGHTS, training) if todo else None
    for model in progress(todo, "train LoRAs", len(todo)):
        if trainer is not None:
            adapter = Adapter(trainer.train(model), alpha=float(model.rank))
            write_atomic(_path(folder, model), ADAPTER.to_bytes(adapter))


def draw_all(folder: Path, models: Sequence[LoraPlan], progress: Progress = no_progress) -> None:
    """Draw the examples of every LoRA without a row of pictures in ``folder/parts``."""
    todo = [model for model in models if not _row(folder, model).exists()]
    drawn = draw_examples(_read(folder, model) for model in todo)
    for model, own in progress(zip(todo, drawn, strict=True), "draw examples", len(todo)):
        write_atomic(_row(folder, model), images.png_bytes(row_of(own)))


def _write(
    folder: Path,
    models: Sequence[LoraPlan],
    adapters: Sequence[Adapter],
    pictures: Sequence[Sequence[Image]],
) -> None:
    write_zoo(folder, [_record(model) for model in models], adapters, pictures)
    card = {
        "models": len(models),
        "ranks": dict(sorted(Counter(model.rank for model in models).items())),
        "kinds": dict(Counter(model.kind for model in models)),
        "held_out": sum(model.held_out for model in models),
        "makers": len({model.owner for model in models}),
        "license": "Apache-2.0",
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "sha256": checksums(folder),
        "limits": "LoRAs of the sandbox's decoder; they know tasteworld pictures and nothing else.",
    }
    write_atomic(folder / CARD, (json.dumps(card, indent=1) + "\n").encode())


def _record(model: LoraPlan) -> dict[str, Any]:
    return {
        "model_id": model.model_id, "owner": model.owner, "held_out": model.held_out,
        "rank": model.rank, "base": "sandbox", "kind": model.kind, "start": model.start,
        "cluster": model.cluster, "tags": ",".join(_tags(model)),
    }  # fmt: skip


def _tags(model: LoraPlan) -> list[str]:
    """The commonest value of each attribute that the LoRA is about, in its training pictures."""
    about = {"style": NAMES[3:], "content": NAMES[:3], "both": NAMES}[model.kind]
    commonest = {
        name: Counter(model.scenes[:, column].tolist()).most_common(1)[0][0]
        for column, name in enumerate(NAMES)
    }
    return [ATTRIBUTES[name][commonest[name]] for name in about]


def _shipped(models: Sequence[LoraPlan]) -> list[int]:
    """Places of the first LoRAs of every rank, in their order."""
    left, places = dict(SHIPPED_RANKS), []
    for place, model in enumerate(models):
        if left.get(model.rank, 0):
            left[model.rank] -= 1
            places.append(place)
    return places


def _path(folder: Path, model: LoraPlan) -> Path:
    return folder / PARTS / f"{model.model_id}{ADAPTER.suffix}"


def _row(folder: Path, model: LoraPlan) -> Path:
    return folder / PARTS / f"{model.model_id}.png"


def _read(folder: Path, model: LoraPlan) -> Adapter:
    path = _path(folder, model)
    return ADAPTER.from_bytes(path.read_bytes(), str(path))


def _require_recipe(folder: Path, plan: ZooPlan, training: LoraTraining) -> None:
    said = {"plan": plan.model_dump(mode="json"), "training": training.model_dump(mode="json")}
    text = json.dumps(said, indent=1) + "\n"
    path = folder / RECIPE
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: belongs to LoRAs of another recipe", fix="Choose another folder."
        )
    write_atomic(path, text.encode())
