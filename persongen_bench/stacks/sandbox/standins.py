"""The sandbox's judges by role: how each is opened, and how each is built.

The decoder, its image encoder and the CLIP are not here; what stands on the CLIP receives it.
The libraries behind a role are imported when the role is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.sandbox.standin_encoder import DualEncoder

Clip = Callable[[], DualEncoder]
"""Opens the role ``clip``; called only for roles that stand on it."""

ROLES = (
    "judge_encoder", "dino", "inception", "lpips", "aesthetic", "hps", "pickscore", "captioner",
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
        from persongen_bench.stacks.sandbox.judge import JudgeEncoder

        return JudgeEncoder(folder)
    if role == "dino":
        from persongen_bench.stacks.sandbox.dino import DinoEncoder

        return DinoEncoder(folder)
    if role == "inception":
        from persongen_bench.stacks.sandbox.inception import InceptionFeatures

        return InceptionFeatures(folder)
    if role == "lpips":
        from persongen_bench.stacks.sandbox.lpips_trunk import LpipsDistance

        return LpipsDistance(folder)
    raise KeyError(role)


def build_role(
    role: str,
    folder: Path,
    clip: Clip,
    *,
    steps: int | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Train one of `ROLES` into ``folder``; ``steps``: a reduced run. KeyError for another."""
    from persongen_bench.stacks.sandbox import (
        aesthetic,
        captioner,
        dino,
        inception,
        judge_training,
        lpips_trunk_training,
        preference,
    )

    options: dict[str, Any] = {"steps": steps, "progress": progress}
    build: dict[str, Callable[[], Path]] = {
        "judge_encoder": lambda: judge_training.build_judge(folder, **options),
        "dino": lambda: dino.build_dino(folder, **options),
        "inception": lambda: inception.build_inception(folder, **options),
        "lpips": lambda: lpips_trunk_training.build_lpips(folder, **options),
        "aesthetic": lambda: aesthetic.build_aesthetic(folder, clip(), **options),
        "hps": lambda: preference.build_preference(role, folder, clip(), **options),
        "pickscore": lambda: preference.build_preference(role, folder, clip(), **options),
        "captioner": lambda: captioner.build_captioner(folder, clip()),
    }
    return build[role]()
