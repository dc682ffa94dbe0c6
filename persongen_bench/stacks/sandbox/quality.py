"""How good the sandbox's decoder is, read by the attribute reader on pictures nobody trained on.

Every figure stands between two others: guessing, and what the first stage alone lets through.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.worlds.tasteworld.attributes import Scenes, caption
from persongen_bench.worlds.tasteworld.reader import attribute_accuracy, chance, shipped

_CHUNK = 64


def measure(
    stack: Any,  # noqa: ANN401  # a SandboxStack
    n: int = 500,
    options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Attribute agreement of ``n`` pictures drawn from captions and ``n`` from embeddings.

    The captions and the embedded pictures are of the same held-out scenes. ``seconds`` is per
    picture, both ways together, on as many threads as torch uses now.
    """
    scenes, pictures = data.held_out(n)
    texts = [Condition(prompt=caption(scene, k)) for k, scene in enumerate(scenes)]
    vectors = stack.role("image_encoder").encode(list(pictures))
    prompts = [Condition(images=row[None]) for row in vectors]
    start = time.perf_counter()
    said = draw(stack, texts, options, progress)
    shown = draw(stack, prompts, options, progress)
    seconds = (time.perf_counter() - start) / (2 * n)
    figures: dict[str, Any] = {
        "n": n,
        "chance": chance(),
        "originals": agreement(list(pictures), scenes),
        "first_stage": agreement(_rebuilt(stack, pictures), scenes),
        "text_to_image": agreement(said, scenes),
        "image_to_image": agreement(shown, scenes),
        "seconds_per_image": seconds,
    }
    if "judge_encoder" in stack.roles:
        judge = stack.role("judge_encoder")
        figures["judge_cosine"] = cosines(judge.encode(shown), judge.encode(list(pictures)))
    return figures


def draw(
    stack: Any,  # noqa: ANN401  # a SandboxStack
    conditions: Sequence[Condition],
    options: DrawOptions,
    progress: Progress,
) -> list[Image]:
    """Draw conditions with seeds 0, 1, 2, ..."""
    images: list[Image] = []
    starts = range(0, len(conditions), _CHUNK)
    for start in progress(starts, "draw", len(starts)):
        part = conditions[start : start + _CHUNK]
        seeds = range(start, start + len(part))
        images += stack.role("decoder").draw(part, list(seeds), options)
    return images


def agreement(images: Sequence[Image], scenes: Scenes) -> dict[str, float]:
    """Share of pictures read as meant per attribute, their ``mean``, all at once, and legible."""
    reading = shipped().read(images)
    shares = attribute_accuracy(reading.codes, scenes)
    shares["all"] = float((reading.codes == scenes).all(axis=1).mean())
    return shares | {"legible": float((reading.legible >= 0.5).mean())}


def cosines(
    drawn: Float[np.ndarray, "n d"], originals: Float[np.ndarray, "n d"]
) -> dict[str, float]:
    """Mean cosine of each drawn picture with its original, and with the next one's."""
    a = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    b = originals / np.linalg.norm(originals, axis=1, keepdims=True)
    own, other = (a * b).sum(axis=1), (a * np.roll(b, 1, axis=0)).sum(axis=1)
    return {"own": float(own.mean()), "shuffled": float(other.mean())}


def _rebuilt(stack: Any, pictures: np.ndarray) -> list[Image]:  # noqa: ANN401  # a SandboxStack
    from persongen_bench.stacks.sandbox import vae_training

    vae = stack.role("decoder").pipeline.vae
    return list(vae_training.decode(vae, vae_training.encode(vae, pictures)))
