"""The life cycle of a prior as a method: fit, adapt to newcomers, generate, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.errors import ConfigError, RunError, UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Embeddings, Image, content_hash
from persongen_bench.methods.prior import fitted as files
from persongen_bench.methods.prior.config import ADAPT_FIELDS, GENERATE_FIELDS, PriorConfig
from persongen_bench.methods.prior.decoding import decode, device_of, open_decoder
from persongen_bench.methods.prior.fitted import FittedPrior, Normalization
from persongen_bench.methods.prior.layers import PriorNetwork, build
from persongen_bench.methods.prior.newcomers import infer_tokens
from persongen_bench.methods.prior.ratings import TrainingData, tabulate
from persongen_bench.methods.prior.sampling import sample_embeddings
from persongen_bench.methods.prior.training import Resources, train_prior


class PriorMethod(ABC):
    """A diffusion prior over the stack's image embeddings, then its decoder.

    Subclasses say which network; they are final.
    """

    Config: ClassVar[type[Config]] = PriorConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS
    loss_fields: ClassVar[frozenset[str]] = frozenset({"validation", "n_validation", "train_on"})
    makes: ClassVar[str] = "image"
    roles: ClassVar[tuple[str, ...]] = ("image_encoder", "decoder")
    adapt_fields: ClassVar[frozenset[str]] = ADAPT_FIELDS
    heads: ClassVar[tuple[Mapping[str, object], ...]] = tuple(
        {"unseen_user": head} for head in ("mixture", "fitted")
    )

    config: PriorConfig

    def __init__(self, config: PriorConfig) -> None:
        if config.n_inference_steps > config.n_timesteps:
            raise ConfigError(
                f"n_inference_steps={config.n_inference_steps} is more than "
                f"n_timesteps={config.n_timesteps}",
                fix="Lower n_inference_steps.",
            )
        if config.rating == "dislike" and config.train_on == "likes":
            raise ConfigError(
                "rating=dislike asks for what train_on=likes has never seen",
                fix="Set train_on to ratings.",
            )
        self.config = config
        self._fitted: FittedPrior | None = None
        self._stack: Stack | None = None
        self._train: View | None = None

    @abstractmethod
    def network(self, embedding_size: int, n_users: int) -> PriorNetwork:
        """The configured network, weights still to be drawn; raises `ConfigError`."""

    def fit(self, train: View, context: FitContext) -> None:
        """Train the prior on the embeddings of the rated images.

        Raises `ConfigError` where it is to stop by the split's validation rows and there are none.
        """
        open_decoder(context.stack, self.config)
        held = self._held_out(train, context)
        features = torch.tensor(context.features("image_encoder", train))
        generator = torch.Generator().manual_seed(context.seed)
        network = build(partial(self.network, features.shape[1], len(train.users)), generator)
        network = network.to(device_of(context.stack))
        normalization = Normalization.of(features, self.config)
        data = TrainingData(normalization.apply(features), tabulate(train))
        if held is not None:
            held_features = torch.tensor(context.features("image_encoder", held))
            rows = tabulate(held, train.users)
            data = data.validated_by(TrainingData(normalization.apply(held_features), rows))
        resources = Resources(
            generator, self._identity(train, context), context.checkpoints, context.progress
        )
        trained = train_prior(network, data, self.config, resources)
        self._fitted = FittedPrior(
            network.eval(), train.users, normalization, trained.history.frame(),
            trained.validation_loss,
        )  # fmt: skip
        self._stack, self._train = context.stack, train

    @property
    def reads_validation(self) -> bool:
        """Whether `fit` looks at the split's validation rows (`FitContext.validation`)."""
        return self.config.validation == "split"

    def validation_loss(self) -> float:
        """Error of the clean embedding on the validation rows; raises `RunError` without any.

        `selection.clean_error`: comparable between all options if the rows are the same
        (``validation=split``); with ``own`` every configuration holds out rows of its own.
        """
        loss = self._ready().validation_loss
        if loss is None:
            raise RunError(
                "the prior was fitted without validation rows",
                fix="Set n_validation to 1 or more, or validation to split.",
            )
        return loss

    @property
    def adapts(self) -> bool:
        """Whether `adapt` takes users in that training did not see."""
        return self.config.use_user and self.config.unseen_user != "refuse"

    def adapt(self, support: View, context: FitContext) -> None:
        """Infer the tokens of the users of ``support`` from their ratings; the network stays.

        Earlier newcomers are forgotten. Raises `ConfigError` where the options refuse newcomers,
        and where one of them was in training.
        """
        fitted, train = self._ready(), self._train
        assert train is not None
        met = set(fitted.users).intersection(support.users)
        if met or not self.adapts:
            raise ConfigError(
                f"user {min(met)!r} has been in training" if met else "it refuses newcomers",
                fix="Set unseen_user to mixture or fitted, and fit without the newcomers.",
            )
        tokens = torch.zeros(0, fitted.network.user.embedding_dim)
        if len(support.interactions):
            known, theirs = (self._data(view, context) for view in (train, support))
            generator = torch.Generator().manual_seed(context.seed)
            network = fitted.network.cpu()
            tokens = infer_tokens(network, self.config, known, theirs, generator)
        fitted.network.set_newcomers(tokens)
        fitted.network.to(device_of(context.stack))
        self._fitted = replace(fitted, newcomers=support.users)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """Draw an embedding for each sample and decode it.

        A user that was not in training is a `Failure`; where all are, `UnsupportedRequestError`
        is raised. Without ``use_user`` everybody is served, and where newcomers are not refused,
        those without a rating are served as the null user is.
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
        files.save(self._ready(), folder)

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; raises `RunError` where files are missing or do not fit."""
        open_decoder(stack, self.config)
        self._fitted = files.load(folder, self.network)
        self._fitted.network.to(device_of(stack))
        self._stack, self._train = stack, train

    def _held_out(self, train: View, context: FitContext) -> View | None:
        """The split's validation rows if the options ask for them."""
        held = context.validation
        if not self.reads_validation:
            return None
        if held is None or not set(held.users).intersection(train.users):
            raise ConfigError(
                "validation=split, and the split has no validation rows of its training users",
                fix="Set validation to own, or use a split that has some, such as per-user.",
            )
        return held

    def _data(self, view: View, context: FitContext) -> TrainingData:
        """Embeddings and ratings of a view, as the network sees them."""
        features = torch.tensor(context.features("image_encoder", view))
        return TrainingData(self._ready().normalization.apply(features), tabulate(view))

    def _images(self, samples: Sequence[Sample]) -> list[Image]:
        if not samples:
            return []
        _, stack = self._ready(), self._stack
        assert stack is not None
        return decode(stack, self.config, self.embeddings(samples), samples)

    def _user(self, sample: Sample) -> int | None:
        """Row of the sample's user in the user table; None for one who is not served."""
        fitted = self._ready()
        if not self.config.use_user:
            return fitted.network.null_user
        others = fitted.network.null_user if self.adapts else None
        return fitted.user_rows.get(sample.request.user_id, others)

    def _ready(self) -> FittedPrior:
        if self._fitted is None:
            raise RunError("the prior is not fitted", fix="Call fit or load first.")
        return self._fitted

    def _identity(self, train: View, context: FitContext) -> str:
        left_out = set(self.generate_fields | self.adapt_fields)
        options = self.config.model_dump(mode="json", exclude=left_out)
        parts = [type(self).__name__, options, train.hash, context.seed, context.stack.signature]
        if self.reads_validation and context.validation is not None:
            parts.append(context.validation.hash)
        return content_hash(*parts)


def _unknown_user(sample: Sample) -> str:
    return f"user {sample.request.user_id!r} is not among the users of the training data"
