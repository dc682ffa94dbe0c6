"""Trains the whole stack from nothing, part by part; a killed build goes on where it stopped.

pgbench models build sandbox --output FOLDER
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.sandbox import (
    SandboxStack,
    clip_training,
    glide_training,
    standins,
    unet_training,
    vae_training,
)
from persongen_bench.stacks.sandbox.assembly import assemble
from persongen_bench.stacks.sandbox.lmm import training as lmm_training
from persongen_bench.stacks.sandbox.places import CLIP, GLIDE, PIPELINE
from persongen_bench.stacks.sandbox.quality import measure
from persongen_bench.util import recipe
from persongen_bench.util.recipe import Recipe

N_QUALITY = 500
"""Held-out scenes that the decoder is measured on."""
LAST = ("lmm",)
"""Parts that stand on the assembled stack."""


def recipes(folder: Path, steps: int | None) -> Mapping[str, Callable[[], Recipe[Any]]]:
    """How every part below ``folder`` is built, in order; later ones stand on earlier ones."""

    def unet() -> Recipe[Any]:
        _, basis = vae_training.untrained()
        plan = unet_training.PLAN.changed(steps=steps)
        pool = unet_training.POOL if steps is None else 64 * steps
        return unet_training.recipe(folder / CLIP, basis, plan, pool)

    def glide() -> Recipe[Any]:
        plan = glide_training.PLAN.changed(steps=steps)
        return glide_training.recipe(plan, glide_training.N_MEASURED if steps is None else 8)

    def lmm() -> Recipe[Any]:
        plan = lmm_training.PLAN.changed(steps=steps)
        if steps is None:
            return lmm_training.recipe(SandboxStack(folder).role, plan)
        return lmm_training.recipe(SandboxStack(folder).role, plan, pool=600, n_quality=8)

    clip = partial(SandboxStack(folder).role, "clip")
    return {
        f"{PIPELINE}/vae": lambda: vae_training.recipe(vae_training.PLAN.changed(steps=steps)),
        CLIP: lambda: clip_training.recipe(clip_training.PLAN.changed(steps=steps)),
        f"{PIPELINE}/unet": unet,
        **{
            role: partial(standins.recipe_of, role, folder / role, clip, steps=steps)
            for role in standins.ROLES
        },
        GLIDE: glide,
        "lmm": lmm,
    }


def build(
    folder: Path,
    *,
    only: str | None = None,
    steps: int | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Train every part that has no card yet, assemble, measure; returns ``folder``.

    ``only``: train this part alone. ``steps``: a reduced run of every part, for a check of the
    code; the models are then worse, and their cards say so.
    """
    wanted = recipes(folder, steps)
    if only is not None and only not in wanted:
        raise ConfigError(
            f"the sandbox has no part {only!r}", fix=f"Choose one of {', '.join(wanted)}."
        )
    todo = [name for name in wanted if only in (None, name)]
    todo = [name for name in todo if not (folder / name / recipe.CARD).exists()]
    for name in todo:
        if name in LAST and only is None:
            assemble(folder)
        recipe.build(wanted[name](), folder / name, progress)
    if only is None and (todo or not (folder / recipe.CARD).exists()):
        assemble(folder)
        write_card(folder, N_QUALITY if steps is None else 8, progress)
    return folder


def write_card(folder: Path, n: int, progress: Progress = no_progress) -> None:
    """Measure the decoder on ``n`` held-out scenes and write the card of the whole stack."""
    card = {
        "stack": "sandbox: small diffusers, transformers and open_clip models of tasteworld",
        "license": "Apache-2.0",
        "quality": measure(SandboxStack(folder), n, progress=progress),
        "threads": torch.get_num_threads(),
        "limits": "Knows tasteworld pictures and nothing else; its numbers say how methods "
        "compare in that world, not on photographs.",
    }
    text = json.dumps(card, indent=1) + "\n"
    (folder / recipe.CARD).write_text(text, encoding="utf-8")
