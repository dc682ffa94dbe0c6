"""Trains the sandbox's CLIP: the space of the IP-Adapter, and the prompt encoder of the UNet.

Random batches do not teach attributes: another picture almost always differs in something easy.
Half of every batch therefore are copies of the other half with one or two attributes changed, and
both embeddings must give every attribute through a linear map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from persongen_bench.stacks.sandbox import data, words
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.attributes import COUNTS, NAMES, Scenes, scene_at
from persongen_bench.worlds.tasteworld.render import render

PLAN = TrainingPlan(
    steps=1800, batch_size=64, learning_rate=1.2e-3, weight_decay=0.02, ema=0.998, seed=31,
)  # fmt: skip
EMBEDDING_SIZE = 64
TEXT_WIDTH = 128
_HEAD_WEIGHT = 1.0


def network(tokenizer: CLIPTokenizer) -> CLIPModel:
    """The untrained dual encoder; 1.6 M parameters."""
    common = {"intermediate_size": 384, "num_attention_heads": 4, "hidden_size": TEXT_WIDTH}
    text = common | {
        "num_hidden_layers": 3,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": words.CONTEXT_LENGTH,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = common | {"num_hidden_layers": 4, "image_size": 64, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=EMBEDDING_SIZE)
    return CLIPModel(config)


class _Student(nn.Module):
    """The dual encoder with the heads that only its training needs."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.clip = network(tokenizer)
        self.image_head = nn.Linear(EMBEDDING_SIZE, sum(COUNTS))
        self.text_head = nn.Linear(EMBEDDING_SIZE, sum(COUNTS))


def recipe(plan: TrainingPlan = PLAN) -> Recipe[_Student]:
    """Learns pictures and words side by side; the dual encoder and its tokenizer are kept."""
    tokenizer = words.tokenizer()
    student = seeded(lambda: _Student(tokenizer), plan.seed)

    def loss(step: Step) -> Mapping[str, Tensor]:
        return losses(student, tokenizer, plan.batch_size, step)

    def write(trained: _Student, folder: Path) -> None:
        _unit_variance(trained.clip)
        tokenizer.save_pretrained(folder)
        data.write_preprocessor(folder)
        data.save(trained.clip, folder)

    def card(folder: Path) -> Mapping[str, object]:  # noqa: ARG001  # at full precision
        name = "dual encoder: transformers CLIPModel, ViT with patches of 8"
        return data.card(name, plan, {"quality": quality(student.clip, tokenizer)})

    title = "train the CLIP of the IP-Adapter"
    return Recipe(partial(train, student, loss, plan, description=title), write, card)


def losses(student: _Student, tokenizer: CLIPTokenizer, n: int, step: Step) -> dict[str, Tensor]:
    """Contrast over hard negatives, and cross-entropy of the attributes in both spaces."""
    scenes = hard_negatives(n, step.rng)
    pictures = render(scenes, step.rng.integers(0, 2**63, n, dtype=np.uint64))
    texts, mentioned = words.describe(scenes, step.rng)
    some_texts, some = words.describe(scenes, step.rng, partial=1.0)
    images = image_embeddings(student.clip, data.pixels(pictures))
    both = text_embeddings(student.clip, tokenizer, [*texts, *some_texts])
    codes = torch.from_numpy(scenes)
    logits = student.clip.logit_scale.exp().clamp(max=100) * (_unit(images) @ _unit(both[:n]).T)
    target = torch.from_numpy(_first_equal(scenes))
    contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    said = torch.from_numpy(np.concatenate([mentioned, some]))
    heads = _reading(student.image_head(_scaled(images)), codes, torch.ones_like(codes).bool())
    heads = heads + _reading(student.text_head(_scaled(both)), torch.cat([codes, codes]), said)
    return {"loss": contrast + _HEAD_WEIGHT * heads, "contrast": contrast, "heads": heads}


def hard_negatives(n: int, rng: np.random.Generator) -> Scenes:
    """``n`` scenes; the second half repeats the first with one or two attributes changed."""
    base = scene_at(rng.integers(0, int(np.prod(COUNTS)), n // 2))
    changed = base.copy()
    for row in changed:
        for column in rng.choice(len(NAMES), rng.integers(1, 3), replace=False):
            row[column] = (row[column] + rng.integers(1, COUNTS[column])) % COUNTS[column]
    return np.concatenate([base, changed])


def _first_equal(scenes: Scenes) -> Int[np.ndarray, " n"]:
    """Index of the first equal scene, so that a scene drawn twice has one target."""
    _, first, inverse = np.unique(scenes, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[inverse.reshape(-1)])


def _unit(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    unit: Tensor = F.normalize(x, dim=-1)
    return unit


def _scaled(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    scaled: Tensor = _unit(x) * math.sqrt(x.shape[1])
    return scaled


def _reading(
    logits: Float[Tensor, "n values"], codes: Int[Tensor, "n 5"], said: Bool[Tensor, "n 5"]
) -> Tensor:
    """Cross-entropy summed over attributes, over the texts that mention them."""
    parts = torch.split(logits, list(COUNTS), dim=1)
    terms = [
        (F.cross_entropy(part, codes[:, i], reduction="none") * said[:, i]).sum()
        / said[:, i].sum().clamp(min=1)
        for i, part in enumerate(parts)
    ]
    return torch.stack(terms).sum()


def image_embeddings(model: CLIPModel, pixels: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
    """Projected image embeddings, not normalised."""
    pooled = model.vision_model(pixel_values=pixels).pooler_output
    rows: Tensor = model.visual_projection(pooled)
    return rows


def text_embeddings(
    model: CLIPModel, tokenizer: CLIPTokenizer, texts: list[str]
) -> Float[Tensor, "n d"]:
    """Projected text embeddings, not normalised."""
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    pooled = model.text_model(**tokens).pooler_output
    rows: Tensor = model.text_projection(pooled)
    return rows


@torch.no_grad()
def _unit_variance(model: CLIPModel) -> None:
    """Scale the projections so that image embeddings have variance 1 per dimension on average.

    Cosines stay; priors over the raw embeddings, as published, meet numbers of a known size.
    """
    _, pictures = data.pictures(1000, np.random.default_rng(PLAN.seed))
    rows = image_embeddings(model, data.pixels(pictures))
    scale = rows.var(dim=0).mean().sqrt()
    model.visual_projection.weight.div_(scale)
    model.text_projection.weight.div_(scale)


@torch.inference_mode()
def quality(model: CLIPModel, tokenizer: CLIPTokenizer, n: int = 500) -> dict[str, object]:
    """Zero-shot accuracy per attribute, linear read-out, and retrieval among ``n`` captions."""
    scenes, pictures = data.held_out(n)
    images = image_embeddings(model, data.pixels(pictures))
    texts, _ = words.describe(scenes, np.random.default_rng(0))
    similarity = _unit(images) @ _unit(text_embeddings(model, tokenizer, texts)).T
    best = similarity.argmax(dim=1).numpy()
    return {
        "n": n,
        "zero_shot": zero_shot(model, tokenizer, images, scenes),
        "linear_probe": linear_probe(images.numpy(), scenes),
        "retrieval_at_1": float((scenes[best] == scenes).all(axis=1).mean()),
    }


def zero_shot(
    model: CLIPModel, tokenizer: CLIPTokenizer, images: Float[Tensor, "n d"], scenes: Scenes
) -> dict[str, float]:
    """Share of pictures whose value is nearest among the value names of the attribute."""
    from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES

    shares = {}
    for column, (name, values) in enumerate(ATTRIBUTES.items()):
        prompts = text_embeddings(model, tokenizer, list(values))
        read = (_unit(images) @ _unit(prompts).T).argmax(dim=1).numpy()
        shares[name] = float((read == scenes[:, column]).mean())
    return shares | {"mean": float(np.mean(list(shares.values())))}


def linear_probe(images: Float[np.ndarray, "n d"], scenes: Scenes) -> dict[str, float]:
    """Accuracy of a ridge read-out fitted on one half of the pictures, on the other half."""
    half = len(images) // 2
    design = np.concatenate([images, np.ones((len(images), 1))], axis=1).astype(np.float64)
    shares = {}
    for column, name in enumerate(NAMES):
        wanted = np.eye(COUNTS[column])[scenes[:, column]]
        gram = design[:half].T @ design[:half] + np.eye(design.shape[1])
        weights = np.linalg.solve(gram, design[:half].T @ wanted[:half])
        read = (design[half:] @ weights).argmax(axis=1)
        shares[name] = float((read == scenes[half:, column]).mean())
    return shares | {"mean": float(np.mean(list(shares.values())))}
