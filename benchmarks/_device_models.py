"""Parts of `device.py`: published stacks with random weights, their encoders, LoRA trainings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from _device_tools import Part
from finetune_batched import FIT, N_LIKED, Noise, lessons_of

from persongen_bench.core.types import Catalog, Image
from persongen_bench.methods.finetune.config import Tier
from persongen_bench.methods.finetune.pipeline import frozen
from persongen_bench.methods.finetune.studio import Studio
from persongen_bench.methods.lora_user import LoraUser
from persongen_bench.stacks.diffusion.decoder import DiffusionDecoder
from persongen_bench.stacks.diffusion.random_weights import write
from persongen_bench.stacks.judges.dino import PREPARATION, DinoNetwork
from persongen_bench.stacks.judges.encoder import EncoderCard, JudgeEncoder
from persongen_bench.stacks.judges.inception import (
    EMBEDDING_SIZE,
    FidInception,
    InceptionPreparation,
)
from persongen_bench.stacks.published.blueprints import FULL, TINY
from persongen_bench.stacks.published.stack import PublishedStack, Sd15Stack, SdxlStack

STACKS: dict[str, type[PublishedStack]] = {"sd15": Sd15Stack, "sdxl": SdxlStack}
STEPS = {"sd15": 50, "sdxl": 30}
"""Denoising steps of the papers."""
SIZES = {"sd15": (1, 4, 8, 16, 32), "sdxl": (1, 2, 4, 8)}
"""Pictures a call."""
DINO_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
DINO_SMALL = {"hidden_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
READY = "ready"


def write_weights(stack: str, folder: Path, *, reduced: bool) -> None:
    """Random weights of a stack, and a mark when all are there."""
    write(folder / stack, (TINY if reduced else FULL)[stack])
    (folder / f"{stack}.{READY}").touch()


def _stack(part: Part, name: str) -> PublishedStack:
    """The stack on the device; waits for the weights."""
    mark = part.weights / f"{name}.{READY}"
    while not mark.exists():
        if part.left < 10:
            part.skip(name, "its random weights were not written in time")
            raise SystemExit(0)
        time.sleep(0.2)
    steps = 2 if part.reduced else STEPS[name]
    settings = {"device": str(part.device), "n_inference_steps": steps}
    return STACKS[name](part.weights / name, settings)


def draw(part: Part, name: str) -> None:
    """Seconds an image by how many are drawn in one call, with the memory of each."""
    stack = _stack(part, name)
    opened: list[Any] = []
    seconds = part.seconds_of(lambda: opened.append(stack.role("decoder")))
    part.say("opening the decoder", seconds, "s")
    pipeline = opened[0].pipeline
    size, rng = opened[0].embedding_size, np.random.default_rng(0)
    steps = stack.settings.n_inference_steps
    for rows in (1, 2) if part.reduced else SIZES[name]:
        settings = stack.settings.model_copy(update={"rows": rows})
        decoder = DiffusionDecoder(pipeline, settings, "sha256:random")
        prompts = rng.standard_normal((rows, size)).astype(np.float32)
        part.fresh_memory()
        try:
            if rows == 1:
                decoder.decode(prompts, range(rows))  # kernels are chosen in the first call
            spent = part.seconds_of(lambda: decoder.decode(prompts, range(rows)))  # noqa: B023
        except torch.cuda.OutOfMemoryError:
            part.skip(f"{rows} at once", "the device's memory does not hold it")
            return
        note = f"{decoder.size} pixels, {steps} steps, guidance, {settings.torch_dtype()}"
        part.say(f"{rows} at once", spent / rows, "s an image", note)
        part.say_memory(f"{rows} at once, peak memory")
        if part.left < 3 * spent:
            part.skip(f"more than {rows} at once", "its time is up")
            return


def sd15(part: Part) -> None:
    """Stable Diffusion 1.5 with its IP-Adapter."""
    draw(part, "sd15")


def sdxl(part: Part) -> None:
    """Stable Diffusion XL with its IP-Adapter."""
    draw(part, "sdxl")


def lora(part: Part) -> None:
    """Steps of the paper's LoRA per user on Stable Diffusion 1.5, of one user and of several."""
    pipeline = _stack(part, "sd15").role("decoder").pipeline
    items = pd.DataFrame(index=[str(k) for k in range(20 * N_LIKED)])
    config = LoraUser.Config.model_validate({"captions": "empty"})
    n = 1 if part.reduced else 8
    with frozen(pipeline):
        for n_users in (1, 2) if part.reduced else (1, 4):
            studio = Studio(pipeline, config, Catalog(items, Noise()), FIT)
            lessons = [one._replace(rows=one.rows[:8]) for one in lessons_of(n_users)]
            tier = Tier(rank=32, alpha=32, dropout=0.05, n_steps=n)
            studio.begin(lessons)
            studio.loras(lessons, tier.model_copy(update={"n_steps": 1}))
            part.fresh_memory()
            spent = part.seconds_of(lambda: studio.loras(lessons, tier))  # noqa: B023
            note = f"rank 32, batches of 1, {config.n_accumulation_steps} a step"
            part.say(f"LoRA, {n_users} users at once", spent / n / n_users, "s a step", note)
            part.say_memory(f"LoRA, {n_users} users at once, peak memory")
            if part.left < 5 * spent:
                return


def judges(part: Part) -> None:
    """Pictures a second of the encoders that metrics look through, random weights in them."""
    rng = np.random.default_rng(0)
    n = 2 if part.reduced else 128
    pictures: list[Image] = list(rng.integers(0, 256, (n, 3, 512, 512), dtype=np.uint8))
    rows = 2 if part.reduced else 32
    inception = FidInception().eval()
    inception.fc = torch.nn.Identity()
    card = EncoderCard(
        "inception", "random", EMBEDDING_SIZE, InceptionPreparation("clean"), part.device, rows
    )
    _throughput(part, "Inception of FID, float32", JudgeEncoder(card, lambda: inception), pictures)
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        **({"num_hidden_layers": 1, "hidden_size": 96} if part.reduced else DINO_LARGE)
    )
    network = DinoNetwork(Dinov2Model(config).eval())
    card = EncoderCard("dino", "random", config.hidden_size, PREPARATION, part.device, rows)
    _throughput(part, "DINOv2 large, float32", JudgeEncoder(card, lambda: network), pictures)
    stack = _stack(part, "sd15")
    for role, what in (("clip", "CLIP ViT-L/14"), ("image_encoder", "CLIP ViT-H/14")):
        _throughput(part, f"{what} of sd15", stack.role(role), pictures)


def _throughput(part: Part, what: str, encoder: Any, pictures: list[Image]) -> None:  # noqa: ANN401
    encoder.encode(pictures[:2])
    spent = part.seconds_of(lambda: encoder.encode(pictures))
    part.say(what, len(pictures) / spent, "images/s", "512 pixels; resizing on one core included")
