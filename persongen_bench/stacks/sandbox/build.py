"""Trains the whole stack from nothing, part by part; a killed build goes on where it stopped.

pgbench models build sandbox --output FOLDER
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.sandbox import (
    SandboxStack,
    clip_training,
    standins,
    unet_training,
    vae_training,
)
from persongen_bench.stacks.sandbox.assembly import CLIP, PIPELINE, assemble
from persongen_bench.stacks.sandbox.quality import measure

Part = Callable[[], object]
N_QUALITY = 500
"""Held-out scenes that the decoder is measured on."""


def parts(folder: Path, steps: int | None, progress: Progress) -> Mapping[str, Part]:
    """What is trained, in order; a part is done when its card is written."""
    _, basis = vae_training.untrained()
    denoiser = partial(
        unet_training.build, folder / PIPELINE / "unet", folder / CLIP, basis, steps=steps,
        progress=progress,
    )  # fmt: skip
    if steps is not None:
        denoiser = partial(denoiser, pool=64 * steps)
    judges = {
        role: partial(
            standins.build_role, role, folder / role, partial(SandboxStack(folder).role, "clip"),
            steps=steps, progress=progress,
        )
        for role in standins.ROLES
    }  # fmt: skip
    return {
        f"{PIPELINE}/vae": partial(
            vae_training.build, folder / PIPELINE / "vae", steps=steps, progress=progress
        ),
        CLIP: partial(clip_training.build, folder / CLIP, steps=steps, progress=progress),
        f"{PIPELINE}/unet": denoiser,
        **judges,
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
    wanted = parts(folder, steps, progress)
    if only is not None and only not in wanted:
        raise ConfigError(
            f"the sandbox has no part {only!r}", fix=f"Choose one of {', '.join(wanted)}."
        )
    todo = [name for name in wanted if only in (None, name)]
    todo = [name for name in todo if not (folder / name / "card.json").exists()]
    for name in todo:
        wanted[name]()
    if only is None and (todo or not (folder / "card.json").exists()):
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
    (folder / "card.json").write_text(text, encoding="utf-8")
