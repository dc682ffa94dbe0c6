"""Trains the judge encoder: contrastive with hard negatives, and attribute heads beside it.

Random batches teach a dual encoder to tell backgrounds apart and little else. Here every scene
stands in the batch with copies that differ in one or two attributes, and linear heads read all
attributes off both embeddings; the heads are not shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.types import Embeddings
from persongen_bench.stacks.sandbox import data, judge, judge_words
from persongen_bench.stacks.sandbox import standin_quality as figures
from persongen_bench.stacks.sandbox.standin_files import measured, write_weights
from persongen_bench.stacks.sandbox.standin_training import (
    AttributeHeads,
    draw_all,
    draw_groups,
)
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.attributes import NAMES, Scenes, caption

PLAN = TrainingPlan(steps=1200, batch_size=64, learning_rate=2e-3, ema=0.995, seed=101)
PARTIAL = 0.45
"""Share of the captions that name only some attributes."""
MAX_SCALE = 50.0
"""Largest inverse temperature."""
HEAD_SCALE = 8.0
"""Length that unit embeddings get before the attribute heads."""


class _Student(nn.Module):
    """The dual encoder with its training heads."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.clip = judge.new(folder).to(memory_format=torch.channels_last)
        self.heads = AttributeHeads(judge.EMBEDDING_SIZE)

    def losses(
        self, pixels: Tensor, tokens: Tensor, scenes: Tensor, shown: Tensor
    ) -> dict[str, Tensor]:
        """Nats per picture; ``shown`` ``(n, 5)`` bool: what each caption names."""
        images = F.normalize(self.clip.encode_image(pixels), dim=1)
        texts = F.normalize(self.clip.encode_text(tokens), dim=1)
        scale = self.clip.logit_scale.exp().clamp(max=MAX_SCALE)
        contrast = contrastive(scale * images @ texts.T, true_of(scenes, scenes, shown))
        heads = self.heads.loss(HEAD_SCALE * images, scenes)
        heads = heads + self.heads.loss(HEAD_SCALE * texts, scenes, shown)
        return {"loss": contrast + heads, "contrast": contrast, "heads": heads}


def true_of(
    pictures: Int[Tensor, "n 5"], texts: Int[Tensor, "m 5"], shown: Bool[Tensor, "m 5"]
) -> Bool[Tensor, "n m"]:
    """Whether text j says nothing wrong about picture i."""
    return ((pictures[:, None] == texts[None]) | ~shown[None]).all(dim=2)


def contrastive(logits: Float[Tensor, "n n"], match: Bool[Tensor, "n n"]) -> Float[Tensor, ""]:
    """InfoNCE in both directions; a row's target is spread evenly over everything true of it."""
    rows = match.float() / match.sum(dim=1, keepdim=True)
    columns = match.T.float() / match.sum(dim=0)[:, None]
    return (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, columns)) / 2


def draw_shown(n: int, rng: np.random.Generator) -> Bool[np.ndarray, "n 5"]:
    """Which attributes each caption names: at least one, often all."""
    some = rng.random((n, len(NAMES))) < 0.5
    some[np.arange(n), rng.integers(0, len(NAMES), n)] = True
    return some | (rng.random(n) >= PARTIAL)[:, None]


def recipe(folder: Path, plan: TrainingPlan = PLAN) -> Recipe[_Student]:
    """Learns texts and pictures side by side; architecture and words are in ``folder`` at once."""
    judge.write_config(folder)
    words = judge.tokenizer(folder)
    model = seeded(lambda: _Student(folder), plan.seed)

    def loss(step: Step) -> Mapping[str, Tensor]:
        return model.losses(*_batch(plan.batch_size, words, step.rng))

    def card(folder: Path) -> Mapping[str, object]:
        name = "open_clip CLIP, ModifiedResNet image tower, 64-d: judge of pictures and texts"
        return data.card(name, plan, measured(folder, quality(judge.SandboxJudge(folder))))

    return Recipe(
        partial(train, model, loss, plan, description="train the judge encoder"),
        lambda trained, folder: write_weights(folder, trained.clip),
        card,
    )


def _batch(
    n: int, words: SimpleTokenizer, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels, tokens, scenes and what the captions name."""
    pictures = draw_all(draw_groups(n, rng), rng)
    shown = draw_shown(n, rng)
    texts = [judge_words.say(s, w, rng) for s, w in zip(pictures.scenes, shown, strict=True)]
    tokens = torch.from_numpy(judge.tokens(words, texts))
    scenes = torch.from_numpy(pictures.scenes)
    return data.pixels(pictures.images), tokens, scenes, torch.from_numpy(shown)


def quality(encoder: judge.SandboxJudge) -> dict[str, object]:
    """Figures on held-out scenes; "unseen" captions are tasteworld's, which are not the judge's."""
    test = figures.held_out_pictures()
    rows = encoder.encode(list(test.images))

    def said(scenes: Scenes) -> Embeddings:
        return encoder.encode_texts([caption(scene, i) for i, scene in enumerate(scenes)])

    own = figures.prototypes(encoder, judge_words.full)
    unseen = figures.prototypes(encoder, caption)
    return {
        "linear_probe": figures.probe(encoder),
        "zero_shot": figures.zero_shot_accuracy(rows, own, test.scenes),
        "zero_shot_unseen_captions": figures.zero_shot_accuracy(rows, unseen, test.scenes),
        "matching_unseen_captions": figures.matching(
            rows, said(test.scenes), said(figures.near_misses(test.scenes))
        ),
    }
