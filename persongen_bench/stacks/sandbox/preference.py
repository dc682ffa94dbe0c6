"""The roles ``hps`` and ``pickscore``: how much people prefer a picture for a text.

Both published models are CLIPs fine-tuned on choices between two pictures for one prompt, and
both score with the cosine. Ours fine-tune the two projections of the sandbox's CLIP, each by a
square matrix; without a bias, so that the product is again a projection of a CLIP. The choices
are those of a simulated panel. The two models differ in seed and in how much texts weigh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.preference_pairs import PairWorld, PreferencePairs, draw_pairs
from persongen_bench.stacks.sandbox.standin_encoder import DualEncoder, map_embeddings
from persongen_bench.stacks.sandbox.standin_files import (
    measured,
    read_weights,
    weights_sha256,
    write_weights,
)
from persongen_bench.stacks.sandbox.standin_quality import unit
from persongen_bench.stacks.sandbox.standin_ratings import Panel
from persongen_bench.stacks.sandbox.standin_training import scene_split
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train

PLANS = {
    "hps": TrainingPlan(steps=1000, batch_size=256, learning_rate=2e-3, ema=0.99, seed=601),
    "pickscore": TrainingPlan(steps=1000, batch_size=256, learning_rate=2e-3, ema=0.99, seed=701),
}
TEXT_WEIGHT = {"hps": 0.5, "pickscore": 1.0}
"""What one contradicted attribute costs, where the deviation of a rater's liking is 1."""
N_PAIRS = 8_000
N_HELD_OUT_PAIRS = 1_000
_HELD_OUT_SEED = 600
_SCALE = 20.0
"""Inverse temperature at the start."""


class PreferenceHead(nn.Module):
    """One square matrix for each tower, and the inverse temperature of the choices."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.image = nn.Linear(embedding_size, embedding_size, bias=False)
        self.text = nn.Linear(embedding_size, embedding_size, bias=False)
        for layer in (self.image, self.text):
            nn.init.eye_(layer.weight)
        self.logit_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def cosine(self, images: Float[Tensor, "n d"], texts: Float[Tensor, "n d"]) -> Tensor:
        """Of picture i and text i ``(n,)``."""
        return F.cosine_similarity(self.image(images), self.text(texts), dim=1)

    def logits(
        self,
        first: Float[Tensor, "n d"],
        second: Float[Tensor, "n d"],
        texts: Float[Tensor, "n d"],
    ) -> Float[Tensor, " n"]:
        """Log-odds that the first picture is preferred (Bradley and Terry 1952)."""
        margin = self.cosine(first, texts) - self.cosine(second, texts)
        return self.logit_scale.exp() * margin


class PreferenceScorer:
    """Pictures and texts to one space of preference.

    Implements `ImageEncoder`, `TextEncoder` and `Head`.
    """

    base: ClassVar[str] = "clip"

    def __init__(self, name: str, folder: Path, clip: DualEncoder) -> None:
        """``name``: the role. Read the folder that `recipe` wrote for this ``clip``."""
        self._clip = clip
        self._head = read_weights(folder, PreferenceHead(clip.embedding_size))
        self.embedding_size = clip.embedding_size
        self.signature = (
            f"sandbox-{name}|weights:sha256:{weights_sha256(folder)}|on:({clip.signature})|impl:1"
        )

    @property
    def logit_scale(self) -> float:
        """``sigmoid(logit_scale * (score - other score))`` is the share that prefers a picture."""
        return float(self._head.logit_scale.exp())

    def score(self, images: Sequence[Image], texts: Sequence[str]) -> Float[np.ndarray, " n"]:
        """float32 cosine in [-1, 1] of picture i and text i; not comparable across texts."""
        if len(images) != len(texts):
            raise ValueError(f"{len(images)} pictures and {len(texts)} texts")
        cosines = (unit(self.encode(images)) * unit(self.encode_texts(texts))).sum(axis=1)
        return np.asarray(cosines, dtype=np.float32)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """float32 ``(n, embedding_size)``, to be compared by cosine; row i from image i."""
        return self.from_base(self._clip.encode(images))

    def from_base(self, rows: Embeddings) -> Embeddings:
        """The same for images whose CLIP rows ``(n, d)`` are known."""
        return map_embeddings(self._head.image, rows)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, embedding_size)``; row i from text i."""
        return map_embeddings(self._head.text, self._clip.encode_texts(texts))


def recipe(
    name: str, clip: DualEncoder, plan: TrainingPlan, n_pairs: int = N_PAIRS
) -> Recipe[PreferenceHead]:
    """Learns the choices of a panel between ``n_pairs`` pairs; ``name``: a key of `PLANS`."""
    world = PairWorld(clip, Panel.of_default_world(), TEXT_WEIGHT[name])
    known = draw_pairs(world, scene_split()[0], n_pairs, np.random.default_rng(plan.seed))
    head = seeded(lambda: PreferenceHead(clip.embedding_size), plan.seed)
    rows = [torch.from_numpy(x) for x in (known.first, known.second, known.texts)]

    def loss(step: Step) -> Mapping[str, Tensor]:
        chosen = step.rng.integers(0, len(known.probability), plan.batch_size)
        answers = step.rng.random(plan.batch_size) < known.probability[chosen]
        logits = head.logits(*(x[torch.from_numpy(chosen)] for x in rows))
        target = torch.from_numpy(answers.astype(np.float32))
        return {"loss": F.binary_cross_entropy_with_logits(logits, target)}

    def card(folder: Path) -> Mapping[str, object]:
        facts = {
            "text_weight": world.text_weight,
            "clip": clip.signature,
            "raters": world.panel.people.signature,
            **measured(folder, quality(read_weights(folder, head), world)),
            "limits": "The choices are simulated, by people who are not users of any data set.",
        }
        model = "the sandbox's CLIP with projections fine-tuned on pairwise choices"
        return data.card(model, plan, facts)

    return Recipe(
        partial(train, head, loss, plan, description=f"fit {name}"),
        lambda trained, folder: write_weights(folder, trained),
        card,
    )


def quality(head: PreferenceHead, world: PairWorld) -> dict[str, float]:
    """Share of held-out choices foretold: by the model, by the plain CLIP, and at best.

    ``ceiling``: by somebody who knows the share of the panel for every pair. ``*_wordless``:
    the same where both pictures contradict the text equally often, so that beauty decides.
    """
    rng = np.random.default_rng(_HELD_OUT_SEED)
    pairs = draw_pairs(world, scene_split()[1], N_HELD_OUT_PAIRS, rng)
    even = pairs.wrong[0] == pairs.wrong[1]
    plain = PreferenceHead(world.clip.embedding_size)
    shares = {}
    for suffix, rows in (("", np.ones_like(even)), ("_equally_right", even)):
        share = pairs.probability[rows]
        best = np.maximum(share, 1 - share).mean()
        guesses = {"pair_accuracy": head, "pair_accuracy_plain_clip": plain}
        for label, model in guesses.items():
            says_first = foretell(model, pairs)[rows] > 0
            shares[label + suffix] = np.where(says_first, share, 1 - share).mean()
        shares["pair_accuracy_ceiling" + suffix] = best
    return {label: round(float(value), 4) for label, value in shares.items()}


@torch.inference_mode()
def foretell(head: PreferenceHead, pairs: PreferencePairs) -> Float[np.ndarray, " n"]:
    """Log-odds of the first picture of every pair."""
    rows = (torch.from_numpy(x) for x in (pairs.first, pairs.second, pairs.texts))
    return np.asarray(head.logits(*rows).numpy())
