"""REBECA's first version: a decoder-only transformer that predicts the noise.

The extended abstract fixes 8 layers, 16 heads, four user tokens, one image and one rating token,
80 samples per user and AdamW (appendix A.1), and w = 10 for its results (section 4.2), which is
``guidance_scale`` 11 = 1 + w. It leaves open the width, the noise schedule, the rate of condition
dropout and the order of the tokens: those are ours. It balances users within each batch; here each
user gives as many rows to an epoch, in batches at random.

It calls the model lightweight. At width 192 it has 4,204,289 parameters for embeddings of 1024
numbers and 210 users, about as many as the final model has; at 1024 it has 105,058,304. The noise
has as many dimensions as the embedding, and a narrower token cannot carry them: so where the image
tokens are narrower, the embedding also goes straight to the output, times a number that the time
decides and that is 0 at the start. That is ours too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from persongen_bench.core.errors import ConfigError
from persongen_bench.methods.prior.config import BetaSchedule, Prediction, PriorConfig
from persongen_bench.methods.prior.layers import (
    NULL_RATING,
    Attention,
    PriorNetwork,
    TimeEmbedding,
    TimeFrequencies,
    ZeroLinear,
)
from persongen_bench.methods.prior.method import PriorMethod


class RebecaV1Config(PriorConfig):
    """The first version; the defaults are the selected model (appendix A.1) where it is printed."""

    n_layers: int = Field(default=8, ge=1)
    """Transformer layers."""
    n_heads: int = Field(default=16, ge=1)
    """Attention heads; divides ``hidden_size``."""
    hidden_size: int = Field(default=192, ge=1)
    """Width of the tokens (not printed)."""
    n_user_tokens: int = Field(default=4, ge=1)
    """Tokens that stand for the user."""
    n_image_tokens: int = Field(default=1, ge=1)
    """Tokens that stand for the noisy embedding, last in the sequence."""
    time_freqs: TimeFrequencies = "standard"
    """Frequencies of the time token (not printed)."""
    prediction: Prediction = "epsilon"
    """The network predicts the noise."""
    beta_schedule: BetaSchedule = "linear"
    """The schedule of Ho et al. 2020 (not printed)."""
    dropout: Literal["reference", "standard"] = "standard"
    """One draw drops both conditions, as in Ho and Salimans 2022 (not printed)."""
    ratings_per_user: int | None = Field(default=80, ge=1)
    """Samples per user and epoch."""
    guidance_scale: float = Field(default=11.0, ge=0)
    """Classifier-free guidance s in ``u + s (c - u)``; the abstract's weight is w = s - 1."""


class DecoderLayer(nn.Module):
    """Pre-norm transformer layer with causal self-attention."""

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, n_heads, causal=True)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        """``(b, n, H)`` => ``(b, n, H)``; token i sees tokens up to i."""
        x = x + self.attention(self.norm_attention(x))
        out: Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class RebecaV1Prior(PriorNetwork):
    """User, rating, time and image tokens in one sequence; the noise is read off the image's.

    Where those are narrower than the embedding, it also passes beside them, weighted by the time.
    """

    def __init__(self, config: RebecaV1Config, embedding_size: int, n_users: int) -> None:
        super().__init__(embedding_size, n_users)
        if config.hidden_size % config.n_heads:
            raise ConfigError(
                f"n_heads={config.n_heads} does not divide hidden_size={config.hidden_size}",
                fix="Change one of them.",
            )
        size = config.hidden_size
        self.n_image_tokens = config.n_image_tokens
        n_tokens = config.n_user_tokens + 2 + config.n_image_tokens
        self.user = nn.Embedding(n_users + 1, config.n_user_tokens * size)
        self.rating = nn.Embedding(NULL_RATING + 1, size)
        self.time = TimeEmbedding(size, config.time_freqs)
        self.image = nn.Linear(embedding_size, config.n_image_tokens * size)
        self.position = nn.Embedding(n_tokens, size)
        layers = [DecoderLayer(size, config.n_heads) for _ in range(config.n_layers)]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(size)
        width = config.n_image_tokens * size
        self.head = nn.Linear(width, embedding_size)
        self.beside = ZeroLinear(size, 1) if width < embedding_size else None

    def forward(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor) -> Tensor:
        """``x (b, E)`` float32 and ``time, user, rating (b,)`` int64 => noise ``(b, E)``."""
        size = self.position.embedding_dim
        now = self.time(time)
        parts = [self.user(user), self.rating(rating), now, self.image(x)]
        tokens = torch.unflatten(torch.cat(parts, dim=-1), -1, (-1, size)) + self.position.weight
        hidden = self.norm(self.layers(tokens))[:, -self.n_image_tokens :]
        out: Tensor = self.head(hidden.flatten(1))
        return out if self.beside is None else torch.addcmul(out, self.beside(now), x)


CONTROLLED: Mapping[str, object] = {
    "normalization": "standard",
    "beta_schedule": "squaredcos_cap_v2",
    "n_layers": 2,
    "n_heads": 4,
    "hidden_size": 64,
    "n_user_tokens": 1,
    "ratings_per_user": 4096,
    "n_validation": 512,
    "batch_size": 256,
    "learning_rate": 6e-3,
    "learning_rate_schedule": "cosine",
    "max_epochs": 80,
    "guidance_scale": 4.0,
    "sampler": "ddim",
    "n_inference_steps": 50,
    "clip_range": 4.0,
}
"""For worlds of a few users, many ratings and small embeddings: 5,120 steps, under two minutes.

Predicting the noise learns the interaction of user and rating slowly; one user token instead of
four, the squared-cosine schedule and bounded estimates help. It is still a matter of the seed
whether this budget suffices: of three seeds one learned it, one in part, one not (docs/results.md).
"""


SANDBOX: Mapping[str, object] = {
    "prediction": "sample",
    "normalization": "standard",
    "n_layers": 2,
    "n_heads": 4,
    "hidden_size": 128,
    "n_user_tokens": 1,
    "ratings_per_user": None,
    "n_validation": 3,
    "batch_size": 256,
    "learning_rate": 2e-3,
    "weight_decay": 0.1,
    "learning_rate_schedule": "cosine",
    "max_epochs": 70,
    "patience": 1000,
    "guidance_scale": 16.0,
    "guidance_stop": 0.7,
    "sampler": "ddim",
    "n_inference_steps": 20,
}
"""For small embeddings and some hundred raters, about two minutes. It predicts the clean embedding,
which is not the abstract's loss: predicting the noise learned nothing of any user in this budget,
for the noise tells people apart only where almost all of the embedding is noise already."""


@final
class RebecaV1(PriorMethod):
    """The prior of the extended abstract: tokens in, noise out."""

    Config = RebecaV1Config
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "controlled": CONTROLLED,
        "sandbox": SANDBOX,
    }
    config: RebecaV1Config

    def network(self, embedding_size: int, n_users: int) -> RebecaV1Prior:
        """The transformer for the stack's embeddings and the data's users."""
        return RebecaV1Prior(self.config, embedding_size, n_users)
