"""Folders of the published stacks in miniature, written once a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from persongen_bench.stacks.diffusion.random_weights import write
from persongen_bench.stacks.published.blueprints import TINY
from persongen_bench.stacks.published.stack import PublishedStack, Sd15Stack, SdxlStack

STACKS: dict[str, type[PublishedStack]] = {"sd15": Sd15Stack, "sdxl": SdxlStack}
FAST = {"n_inference_steps": 2}
_KEPT = []


@cache
def tiny_folder(name: str) -> Path:
    """Random weights of a stack's layout at a few MB; leave them as they are."""
    holder = tempfile.TemporaryDirectory(prefix=f"tiny-{name}-")
    _KEPT.append(holder)
    return write(Path(holder.name), TINY[name])


@cache
def tiny_stack(name: str) -> PublishedStack:
    """The stack on its miniature, two denoising steps; its roles are opened once."""
    return STACKS[name](tiny_folder(name), FAST)
