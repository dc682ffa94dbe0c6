"""How every model that ships with the package is built: trained, written, measured, described."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.util.files import write_atomic
from persongen_bench.util.training import CHECKPOINT, Workshop

M = TypeVar("M")

CARD, LOSSES = "card.json", "losses.json"


@dataclass(frozen=True)
class Recipe(Generic[M]):
    """What the builder of one model says; `build` does the rest."""

    train: Callable[[Workshop], M]
    """Makes the model; its losses go into the log of the workshop."""
    write: Callable[[M, Path], object]
    """Stores the weights and what else is needed to load them."""
    card: Callable[[Path], Mapping[str, object]]
    """What the card says; may measure what was written. Called last."""
    indent: int = 1
    """Of the card and the losses."""


def build(recipe: Recipe[M], folder: Path, progress: Progress = no_progress) -> Path:
    """Train, write and measure a model into ``folder``, with card and losses; returns ``folder``.

    The same recipe and number of threads give the same bytes. A build that was stopped continues;
    a model is done when its card is there.
    """
    workshop = Workshop(folder, progress)
    model = recipe.train(workshop)
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(model, folder)
    _write_json(folder / LOSSES, workshop.log, recipe.indent)
    _write_json(folder / CARD, recipe.card(folder), recipe.indent)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return folder


def _write_json(path: Path, document: object, indent: int) -> None:
    write_atomic(path, (json.dumps(document, indent=indent) + "\n").encode())
