"""The sandbox's judges and other small models by role: how each is opened and built.

The decoder, its image encoder and the CLIP are not here; what stands on the CLIP receives it.
The libraries behind a role are imported when the role is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from persongen_bench.stacks.sandbox.standin_encoder import DualEncoder
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import TrainingPlan

Clip = Callable[[], DualEncoder]
"""Opens the role ``clip``; called only for roles that stand on it."""

ROLES = (
    "judge_encoder", "dino", "inception", "lpips", "aesthetic", "hps", "pickscore", "captioner",
    "llm", "vit",
)  # fmt: skip
"""Each has a folder of its name; in the order of building."""


def open_role(role: str, folder: Path, clip: Clip) -> Any:  # noqa: ANN401  # each has its protocol
    """The model of one of `ROLES`, its weights read from ``folder``; KeyError for another."""
    from persongen_bench.stacks.sandbox import aesthetic, captioner, preference

    on_clip: dict[str, Callable[[], Any]] = {
        "aesthetic": lambda: aesthetic.AestheticScorer(folder, clip()),
        "hps": lambda: preference.PreferenceScorer(role, folder, clip()),
        "pickscore": lambda: preference.PreferenceScorer(role, folder, clip()),
        "captioner": lambda: captioner.AttributeTagger(folder, clip()),
    }
    return on_clip[role]() if role in on_clip else _open_own(role, folder)


def _open_own(role: str, folder: Path) -> Any:  # noqa: ANN401  # each role has its protocol
    if role == "judge_encoder":
        from persongen_bench.stacks.sandbox.judge import SandboxJudge

        return SandboxJudge(folder)
    if role == "dino":
        from persongen_bench.stacks.sandbox.dino import DinoEncoder

        return DinoEncoder(folder)
    if role == "inception":
        from persongen_bench.stacks.sandbox.inception import InceptionFeatures

        return InceptionFeatures(folder)
    if role == "lpips":
        from persongen_bench.stacks.sandbox.lpips_trunk import LpipsDistance

        return LpipsDistance(folder)
    if role == "llm":
        from persongen_bench.stacks.sandbox.llm import open_llm

        return open_llm(folder)
    if role == "vit":
        from persongen_bench.stacks.sandbox.vit import VitEncoder

        return VitEncoder(folder)
    raise KeyError(role)


def recipe_of(
    role: str, folder: Path, clip: Clip, seed: int | None = None, steps: int | None = None
) -> Recipe[Any]:
    """How one of `ROLES` is built into ``folder``; KeyError for another.

    ``seed``: another chance than that of the shipped one; ``steps``: a reduced run.
    """
    from persongen_bench.stacks.sandbox import (
        aesthetic,
        captioner,
        dino,
        inception,
        judge_training,
        llm,
        lpips_trunk_training,
        preference,
        vit,
    )

    def plan(shipped: TrainingPlan) -> TrainingPlan:
        return shipped.changed(seed, steps)

    def preferences() -> Recipe[Any]:
        n_pairs = preference.N_PAIRS if steps is None else min(preference.N_PAIRS, 64 * steps)
        return preference.recipe(role, clip(), plan(preference.PLANS[role]), n_pairs)

    recipes: dict[str, Callable[[], Recipe[Any]]] = {
        "judge_encoder": lambda: judge_training.recipe(folder, plan(judge_training.PLAN)),
        "dino": lambda: dino.recipe(plan(dino.PLAN)),
        "inception": lambda: inception.recipe(plan(inception.PLAN)),
        "lpips": lambda: lpips_trunk_training.recipe(plan(lpips_trunk_training.PLAN)),
        "aesthetic": lambda: aesthetic.recipe(clip(), plan(aesthetic.PLAN)),
        "hps": preferences,
        "pickscore": preferences,
        "captioner": lambda: captioner.recipe(clip()),
        "llm": lambda: llm.recipe(plan(llm.PLAN)),
        "vit": lambda: vit.recipe(plan(vit.PLAN)),
    }
    return recipes[role]()
