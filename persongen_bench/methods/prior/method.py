"""The life cycle of a prior as a method: fit, generate, save, load."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from persongen_bench.errors import ConfigError, RunError, UnsupportedRequestError
from persongen_bench.methods.prior.config import GENERATE_FIELDS, PriorConfig
from persongen_bench.methods.prior.layers import PriorNetwork, build
from persongen_bench.methods.prior.ratings import tabulate
from persongen_bench.methods.prior.sampling import sample_embeddings
from persongen_bench.methods.prior.training import Resources, TrainingData, train_prior
from persongen_bench.protocols import Config, FitContext, Stack
from persongen_bench.types import Embeddings, Failure, Image, Sample, View, content_hash

WEIGHTS, CARD, LOG = "prior.safetensors", "prior.json", "training.parquet"


@dataclass(frozen=True)
class Normalization:
    """``z = (e - mean) / deviation``: embeddings as the network sees them."""

    mean: Tensor
    """``(E,)``"""
    deviation: Tensor
    """``(1,)``, one number for all dimensions, so that cosines and shapes stay."""

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
    normalization: Normalization
    history: pd.DataFrame
    """Loss of every batch, see `History.frame`."""

    @cached_property
    def user_rows(self) -> dict[str, int]:
        """User id => row of the user table."""
        return {user: row for row, user in enumerate(self.users)}


class PriorMethod(ABC):
    """A diffusion prior over the stack's image embeddings, then its decoder.

    Subclasses say which network; they are final.
    """

    Config: ClassVar[type[Config]] = PriorConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS

    config: PriorConfig

    def __init__(self, config: PriorConfig) -> None:
        if config.n_inference_steps > config.n_timesteps:
            raise ConfigError(
                f"n_inference_steps={config.n_inference_steps} is more than "
                f"n_timesteps={config.n_timesteps}",
                fix="Lower n_inference_steps.",
            )
        self.config = config
        self._fitted: FittedPrior | None = None
        self._stack: Stack | None = None

    @abstractmethod
    def network(self, embedding_size: int, n_users: int) -> PriorNetwork:
        """The configured network, weights still to be drawn; raises `ConfigError`."""

    def fit(self, train: View, context: FitContext) -> None:
        """Train the prior on the embeddings of the rated images."""
        features = torch.tensor(context.features("image_encoder", train))
        generator = torch.Generator().manual_seed(context.seed)
        network = build(partial(self.network, features.shape[1], len(train.users)), generator)
        normalization = _normalization(features, self.config)
        data = TrainingData(normalization.apply(features), tabulate(train))
        resources = Resources(
            generator, self._identity(train, context), context.checkpoints, context.progress
        )
        history = train_prior(network, data, self.config, resources)
        self._fitted = FittedPrior(network.eval(), train.users, normalization, history.frame())
        self._stack = context.stack

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """Draw an embedding for each sample and decode it.

        A user that was not in training is a `Failure`; where all are, `UnsupportedRequestError`
        is raised. Without ``use_user`` everybody is served.
        """
        served = [i for i, sample in enumerate(samples) if self._user(sample) is not None]
        if samples and not served:
            raise UnsupportedRequestError(_unknown_user(samples[0]))
        images = iter(self._images([samples[i] for i in served]))
        known = set(served)
        return [
            next(images) if i in known else Failure("method_error", _unknown_user(sample))
            for i, sample in enumerate(samples)
        ]

    def embeddings(self, samples: Sequence[Sample]) -> Embeddings:
        """The prior's draws for ``samples`` of known users: float32 ``(n, E)``, not yet decoded."""
        fitted = self._ready()
        users = np.array([self._user(sample) for sample in samples], dtype=np.int64)
        seeds = np.array([sample.seed for sample in samples], dtype=np.int64)
        drawn = sample_embeddings(fitted.network, self.config, users, seeds)
        return fitted.normalization.undo(drawn)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), users (JSON) and the loss of every batch (Parquet)."""
        fitted = self._ready()
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"network.{k}": v for k, v in fitted.network.state_dict().items()}
        tensors |= {f"normalization.{k}": v for k, v in vars(fitted.normalization).items()}
        save_file(tensors, folder / WEIGHTS)
        card = {"users": fitted.users, "embedding_size": fitted.network.embedding_size}
        (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
        fitted.history.to_parquet(folder / LOG, index=False)

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Restore what `save` wrote; raises `RunError` where files are missing or do not fit."""
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            tensors = load_file(folder / WEIGHTS)
            users = tuple(str(user) for user in card["users"])
            shape = partial(self.network, int(card["embedding_size"]), len(users))
            network = build(shape, torch.Generator())
            network.load_state_dict(_part(tensors, "network."))
            normalization = Normalization(**_part(tensors, "normalization."))
            history = pd.read_parquet(folder / LOG)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise RunError(
                f"{folder}: not a saved prior of this configuration ({error})", fix="Fit it again."
            ) from None
        self._fitted = FittedPrior(network.eval(), users, normalization, history)
        self._stack = stack

    def _images(self, samples: Sequence[Sample]) -> list[Image]:
        if not samples:
            return []
        _, stack = self._ready(), self._stack
        assert stack is not None
        images: list[Image] = stack.role("decoder").decode(
            self.embeddings(samples), [sample.seed for sample in samples]
        )
        return images

    def _user(self, sample: Sample) -> int | None:
        """Row of the sample's user in the user table; None for one that was not in training."""
        fitted = self._ready()
        if not self.config.use_user:
            return fitted.network.null_user
        return fitted.user_rows.get(sample.request.user_id)

    def _ready(self) -> FittedPrior:
        if self._fitted is None:
            raise RunError("the prior is not fitted", fix="Call fit or load first.")
        return self._fitted

    def _identity(self, train: View, context: FitContext) -> str:
        options = self.config.model_dump(mode="json", exclude=set(self.generate_fields))
        name = type(self).__name__
        return content_hash(name, options, train.hash, context.seed, context.stack.signature)


def _normalization(features: Tensor, config: PriorConfig) -> Normalization:
    if config.normalization == "none":
        return Normalization(torch.zeros(features.shape[1]), torch.ones(1))
    mean = features.mean(dim=0)
    deviation = (features - mean).square().mean().sqrt().clamp(min=1e-12)
    return Normalization(mean, deviation[None])


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _unknown_user(sample: Sample) -> str:
    return f"user {sample.request.user_id!r} is not among the users of the training data"
