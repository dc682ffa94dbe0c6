"""Builds all LoRAs from nothing; a killed build goes on where it stopped.

pgbench models build tasteworld-loras --output FOLDER
"""

from __future__ import annotations

import json
from pathlib import Path

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.output import ADAPTER
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import Adapter
from persongen_bench.stacks.sandbox import FOLDER as WEIGHTS
from persongen_bench.stacks.sandbox.loras.makers import Makers, ZooPlan
from persongen_bench.stacks.sandbox.loras.training import LoraTrainer, LoraTraining
from persongen_bench.util.files import write_atomic

RECIPE = "recipe.json"


def train_all(
    folder: Path, plan: ZooPlan, training: LoraTraining, progress: Progress = no_progress
) -> None:
    """Train every LoRA that is not yet in ``folder`` into a file of its own.

    The same recipe and number of threads give the same bytes; `ConfigError` where the folder holds
    LoRAs of another recipe.
    """
    _require_recipe(folder, plan, training)
    makers = Makers(plan)
    todo = [n for n in range(len(makers)) if not _path(folder, makers.model(n).model_id).exists()]
    trainer = LoraTrainer(WEIGHTS, training) if todo else None
    for number in progress(todo, "train LoRAs", len(todo)):
        if trainer is not None:
            model = makers.model(number)
            adapter = Adapter(trainer.train(model), alpha=float(model.rank))
            write_atomic(_path(folder, model.model_id), ADAPTER.to_bytes(adapter))


def _path(folder: Path, model: str) -> Path:
    return folder / f"{model}{ADAPTER.suffix}"


def _require_recipe(folder: Path, plan: ZooPlan, training: LoraTraining) -> None:
    said = {"plan": plan.model_dump(mode="json"), "training": training.model_dump(mode="json")}
    path = folder / RECIPE
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != said:
        raise ConfigError(
            f"{path}: belongs to LoRAs of another recipe", fix="Choose another folder."
        )
    write_atomic(path, (json.dumps(said, indent=1) + "\n").encode())
