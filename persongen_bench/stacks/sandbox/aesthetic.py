"""The role ``aesthetic``: a head on the CLIP embedding, in the layout of LAION's predictor.

The published head (improved-aesthetic-predictor, "linearMSE") has five linear layers with
dropout and no activation between them, on embeddings of unit length: one affine map at
inference. Ours is fitted on mean ratings from 1 to 5 of a simulated panel.
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

from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox import standin_quality as figures
from persongen_bench.stacks.sandbox.standin_encoder import map_embeddings
from persongen_bench.stacks.sandbox.standin_files import (
    measured,
    read_weights,
    weights_sha256,
    write_weights,
)
from persongen_bench.stacks.sandbox.standin_ratings import Panel
from persongen_bench.stacks.sandbox.standin_training import draw, scene_split
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Step, TrainingPlan, seeded, train
from persongen_bench.worlds.tasteworld.attributes import scene_index

PLAN = TrainingPlan(steps=800, batch_size=256, learning_rate=1e-3, ema=0.99, seed=501)
N_RATED = 6_000
"""Pictures with a mean rating."""
MIDDLE = 3.0
"""Of the scale from 1 to 5: where the head starts."""


class AestheticNetwork(nn.Module):
    """Embeddings of unit length ``(n, d)`` => scores ``(n, 1)``."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        last = nn.Linear(16, 1)
        nn.init.constant_(last.bias, MIDDLE)
        self.layers = nn.Sequential(
            nn.Linear(embedding_size, 1024), nn.Dropout(0.2),
            nn.Linear(1024, 128), nn.Dropout(0.2),
            nn.Linear(128, 64), nn.Dropout(0.1),
            nn.Linear(64, 16), last,
        )  # fmt: skip

    def forward(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """Mean ratings, about 1 to 5."""
        ratings: Tensor = self.layers(rows)
        return ratings


class AestheticScorer:
    """Pictures to the rating a panel would give on average; implements `ImageEncoder`, `Head`."""

    embedding_size = 1
    base: ClassVar[str] = "clip"

    def __init__(self, folder: Path, clip: ImageEncoder) -> None:
        """Read the folder that `recipe` wrote for this ``clip``."""
        self._clip = clip
        self._head = read_weights(folder, AestheticNetwork(clip.embedding_size))
        self.signature = (
            f"sandbox-aesthetic|head:laion-v2|weights:sha256:{weights_sha256(folder)}"
            f"|on:({clip.signature})|impl:1"
        )

    def score(self, images: Sequence[Image]) -> Float[np.ndarray, " n"]:
        """float32 mean ratings, about 1 to 5; entry i from image i."""
        return self.encode(images)[:, 0]

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """The scores as one column ``(n, 1)``."""
        return self.from_base(self._clip.encode(images))

    def from_base(self, rows: Embeddings) -> Embeddings:
        """The scores of images whose CLIP rows ``(n, d)`` are known."""
        return map_embeddings(self._head, figures.unit(rows).astype(np.float32))


def recipe(clip: ImageEncoder, plan: TrainingPlan = PLAN) -> Recipe[AestheticNetwork]:
    """Learns the mean ratings of a panel from the rows of ``clip``."""
    panel = Panel.of_default_world()
    rows, ratings = rated(clip, panel, np.random.default_rng(plan.seed))
    head = seeded(lambda: AestheticNetwork(clip.embedding_size), plan.seed)

    def loss(step: Step) -> Mapping[str, Tensor]:
        chosen = torch.from_numpy(step.rng.integers(0, len(rows), plan.batch_size))
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(int(step.rng.integers(2**31)))  # dropout draws globally
            return {"loss": F.mse_loss(head(rows[chosen])[:, 0], ratings[chosen])}

    def card(folder: Path) -> Mapping[str, object]:
        facts = {
            "clip": clip.signature,
            "raters": panel.people.signature,
            **measured(folder, quality(AestheticScorer(folder, clip), panel)),
            "limits": "The ratings are simulated, by people who are not users of any data set.",
        }
        name = "LAION's predictor layout on the sandbox's CLIP, fitted on a panel's mean ratings"
        return data.card(name, plan, facts)

    return Recipe(
        partial(train, head, loss, plan, description="fit the aesthetic head"),
        lambda trained, folder: write_weights(folder, trained),
        card,
    )


def rated(
    clip: ImageEncoder, panel: Panel, rng: np.random.Generator
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """Unit embeddings of training pictures and their mean ratings."""
    pictures = draw(scene_split()[0], N_RATED, rng)
    ratings = panel.mean_ratings(pictures.scenes, rng)
    rows = figures.unit(clip.encode(list(pictures.images))).astype(np.float32)
    return torch.from_numpy(rows), torch.from_numpy(ratings.astype(np.float32))


def quality(scorer: AestheticScorer, panel: Panel) -> dict[str, float]:
    """Spearman's correlation with the population's taste on pictures of held-out scenes.

    ``one_panel_mean``: the same for noisy mean ratings such as the head was fitted on.
    """
    test = figures.held_out_pictures()
    truth = panel.aesthetics[scene_index(test.scenes)]
    noisy = panel.mean_ratings(test.scenes, np.random.default_rng(PLAN.seed))
    return {
        "spearman_population": figures.rank_correlation(scorer.score(list(test.images)), truth),
        "spearman_population_one_panel_mean": figures.rank_correlation(noisy, truth),
    }
