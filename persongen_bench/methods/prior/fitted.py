"""What a prior has learned, and the files that hold it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from persongen_bench.core.errors import RunError
from persongen_bench.core.types import Embeddings
from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import PriorNetwork, build

WEIGHTS, CARD, LOG = "prior.safetensors", "prior.json", "training.parquet"


@dataclass(frozen=True)
class Normalization:
    """``z = (e - mean) / deviation``: embeddings as the network sees them."""

    mean: Tensor
    """``(E,)``"""
    deviation: Tensor
    """``(1,)``, one number for all dimensions, so that cosines and shapes stay."""

    @classmethod
    def of(cls, features: Tensor, config: PriorConfig) -> Normalization:
        """The one that the options ask for, measured on ``features (n, E)``."""
        if config.normalization == "none":
            return cls(torch.zeros(features.shape[1]), torch.ones(1))
        mean = features.mean(dim=0)
        deviation = (features - mean).square().mean().sqrt().clamp(min=1e-12)
        return cls(mean, deviation[None])

    def apply(self, embeddings: Tensor) -> Tensor:
        """``(n, E)`` of the stack => ``(n, E)`` of the network."""
        return (embeddings - self.mean) / self.deviation

    def undo(self, embeddings: Embeddings) -> Embeddings:
        """``(n, E)`` of the network => ``(n, E)`` of the stack."""
        restored: Embeddings = embeddings * self.deviation.numpy() + self.mean.numpy()
        return restored


@dataclass(frozen=True)
class FittedPrior:
    """What `fit` learned."""

    network: PriorNetwork
    users: tuple[str, ...]
    """The users of the training data, in the order of the user table."""
    normalization: Normalization
    history: pd.DataFrame
    """Loss of every batch, see `History.frame`."""
    validation_loss: float | None
    """Of the weights that were kept (`selection.clean_error`); None: there was no validation."""
    newcomers: tuple[str, ...] = ()
    """Users that came after the training; their tokens stand behind the null user's."""

    @cached_property
    def user_rows(self) -> dict[str, int]:
        """User id => row of the user table."""
        first = self.network.null_user + 1
        known = {user: row for row, user in enumerate(self.users)}
        return known | {user: first + k for k, user in enumerate(self.newcomers)}


def save(fitted: FittedPrior, folder: Path) -> None:
    """Write weights (safetensors), users (JSON) and the loss of every batch (Parquet)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{k}": v for k, v in fitted.network.state_dict().items()}
    tensors |= {f"normalization.{k}": v for k, v in vars(fitted.normalization).items()}
    save_file(tensors, folder / WEIGHTS)
    card = {
        "users": fitted.users,
        "newcomers": fitted.newcomers,
        "embedding_size": fitted.network.embedding_size,
        "validation_loss": fitted.validation_loss,
    }
    (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
    fitted.history.to_parquet(folder / LOG, index=False)


def load(folder: Path, network: Callable[[int, int], PriorNetwork]) -> FittedPrior:
    """Read what `save` wrote; ``network(embedding_size, n_users)`` says of which shape it is.

    Raises `RunError` where files are missing or do not fit.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        users, newcomers = (tuple(map(str, card[name])) for name in ("users", "newcomers"))
        shape = partial(network, int(card["embedding_size"]), len(users))
        made = build(shape, torch.Generator())
        made.set_newcomers(torch.zeros(len(newcomers), made.user.embedding_dim))
        made.load_state_dict(_part(tensors, "network."))
        normalization = Normalization(**_part(tensors, "normalization."))
        history = pd.read_parquet(folder / LOG)
        loss = card["validation_loss"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RunError(
            f"{folder}: not a saved prior of this configuration ({error})", fix="Fit it again."
        ) from None
    return FittedPrior(made.eval(), users, normalization, history, loss, newcomers)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
