"""Parts of `device.py`: the same numbers on both devices, and REBECA's prior at its full shape."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from _device_tools import Part
from prior_training import SEED, SHAPES, PlainLoop, PlainPrior, draw_data
from torch import nn

from persongen_bench.methods.prior.layers import build
from persongen_bench.methods.prior.ratings import TrainingData
from persongen_bench.methods.prior.sampling import sample_embeddings
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.network import RebecaPrior
from persongen_bench.stacks.sandbox import SETTINGS, SandboxStack

CPU = torch.device("cpu")
EMBEDDINGS, LOSSES, PIXELS, COSINES = 1e-3, 1e-4, 1.0, 1e-3
"""Accepted differences between the devices in float32: of embeddings drawn in 20 steps, as a share
of the largest number; of the losses of the first steps, relative; of pictures, mean levels of 255;
of pictures' embeddings, 1 - cosine."""
USERS, IMAGES = 210, 25


def parity(part: Part) -> None:
    """The same samples on the CPU and on the device."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    shape = SHAPES["sandbox"]
    data, drawn, losses = draw_data(shape), {}, {}
    config = RebecaConfig.model_validate({**shape.options, "n_inference_steps": 20})
    for device in (CPU, part.device):
        trainer, network = trainer_of(config, data, device)
        losses[device] = trainer.run_batches(torch.arange(3 * config.batch_size))
        network.eval()
        drawn[device] = sample_embeddings(network, config, np.arange(24), np.arange(24) * 7919)
    apart = np.abs(drawn[CPU] - drawn[part.device]).max() / np.abs(drawn[CPU]).max()
    relative = (losses[CPU] / losses[part.device] - 1).abs().max()
    part.require("losses of the first training steps", float(relative), LOSSES)
    part.require("embeddings that a trained prior draws", float(apart), EMBEDDINGS)
    rows, pictures, encoded = np.random.default_rng(0).normal(size=(2, 64)), {}, {}
    for device in (CPU, part.device):
        changes = {"device": str(device), "dtype": "float32", "rows": 2}
        settings = SETTINGS.model_copy(update=changes)
        stack = SandboxStack(settings=settings)
        decoder = stack.role("decoder")
        size = decoder.embedding_size
        pictures[device] = np.stack(decoder.decode(rows[:, :size].astype(np.float32), range(2)))
        encoded[device] = stack.role("image_encoder").encode(list(pictures[CPU]))
    levels = np.abs(pictures[CPU].astype(float) - pictures[part.device]).mean()
    part.require("pictures of the sandbox's decoder, levels", float(levels), PIXELS)
    both = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in encoded.values()]
    part.require("embeddings of pictures", float((1 - (both[0] * both[-1]).sum(1)).max()), COSINES)


def trainer_of(
    config: RebecaConfig, data: TrainingData, device: torch.device
) -> tuple[PriorTrainer, RebecaPrior]:
    """A prior on the device, and what trains it; the same start on each."""
    generator = torch.Generator().manual_seed(SEED)
    size, n_users = data.embeddings.shape[1], int(data.ratings.user.max()) + 1
    network = build(partial(RebecaPrior, config, size, n_users), generator).to(device)
    return PriorTrainer(network, data, config, generator), network


def training(part: Part) -> None:
    """The prior at FLICKR-AES's shape to its early stopping, and a plain loop of the recipe."""
    name = "sandbox" if part.reduced else "flickr-aes"
    shape = SHAPES[name]
    data, options = draw_data(shape), dict(shape.options)
    if part.reduced:
        options |= {"ratings_per_user": 4}
    config = RebecaConfig.model_validate(options)
    trainer, network = trainer_of(config, data, CPU)
    plain: nn.Module = PlainPrior(network, config).to(part.device)
    loop = PlainLoop(plain, trainer, config)  # type: ignore[arg-type]  # moved, and still one
    n_steps = 2 if part.reduced else 50
    loop.run(n_steps)
    note = f"{name}: {shape.n_users} users, {shape.n_ratings} ratings, {shape.embedding_size}-d"
    spent = part.seconds_of(lambda: loop.run(n_steps))
    part.say("a plain loop of the published recipe", 1e3 * spent / n_steps, "ms a step", note)
    ways: dict[str, dict[str, Any]] = {
        "float32": {}, "bfloat16": {"precision": "bfloat16"},
        "float32, compiled": {"compile": True},
        "bfloat16, compiled": {"precision": "bfloat16", "compile": True},
    }  # fmt: skip
    shares = {"float32": 0.15, "bfloat16": 0.15, "float32, compiled": 0.6}
    for way, changes in ways.items():
        if "compile" in changes and part.device.type == "cpu":
            part.skip(f"prior, {way}", "measured on a GPU alone")
            continue
        seconds = shares.get(way, 1.0) * part.left
        try:
            _to_the_end(part, way, {**options, **changes}, data, seconds)
        except RuntimeError as error:  # a compiler that this machine lacks, say
            part.skip(f"prior, {way}", " ".join(str(error).split())[:200])


def _to_the_end(
    part: Part, way: str, options: dict[str, Any], data: TrainingData, seconds: float
) -> None:
    """Train until it stops early or its time is up; an epoch's seconds are those of a later one."""
    config = RebecaConfig.model_validate(options)
    trainer, _ = trainer_of(config, data, part.device)
    part.fresh_memory()
    until = time.monotonic() + seconds
    first = part.seconds_of(trainer.run_epoch)
    spent: list[float] = []
    while not trainer.finished and time.monotonic() < until and not (part.reduced and spent):
        spent.append(part.seconds_of(trainer.run_epoch))
    n_steps = sum(map(len, trainer.history.batch_loss[1:]))
    ended = "stopped early" if trainer.finished else "not at its end when its time was up"
    note = f"{trainer.epoch} epochs, {ended}; least validation loss {trainer.best_loss:.4f}"
    if spent:
        part.say(f"prior, {way}: a step", 1e3 * sum(spent) / n_steps, "ms", note)
    part.say(f"prior, {way}: first epoch", first, "s", "compiling included")
    part.say(f"prior, {way}: so far", first + sum(spent), "s", note)
    part.say_memory(f"prior, {way}: peak memory")


def sampling(part: Part) -> None:
    """Embeddings of 210 people x 25 in 20 and in 1000 steps."""
    name = "sandbox" if part.reduced else "flickr-aes"
    shape, n_users = SHAPES[name], 2 if part.reduced else USERS
    config = RebecaConfig.model_validate(shape.options)
    _, network = trainer_of(config, draw_data(shape), part.device)
    network.eval()
    users = np.repeat(np.arange(n_users), IMAGES)
    seeds = np.arange(len(users)) * 7919
    for steps in (20,) if part.reduced else (20, 1000):
        for precision in ("float32", "bfloat16"):
            changes = {"n_inference_steps": steps, "sampling_precision": precision}
            asked = RebecaConfig.model_validate({**shape.options, **changes})
            n = len(users) if steps == 20 else 512
            draw = partial(sample_embeddings, network, asked, users[:n], seeds[:n])
            part.fresh_memory()
            spent = part.seconds_of(draw)
            note = f"{n} of {n_users} x {IMAGES} drawn, in {spent:.2f} s"
            part.say(f"{steps} steps, {precision}", 1e3 * spent / n, "ms an image", note)
            if part.left < 2 * spent:
                part.skip(f"{steps} steps, the rest", "its time is up")
                return
    part.say_memory("peak memory")
