"""The life cycle of the methods that train decoder weights: fit, generate, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import RunError, UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.roles import Adapter, Condition, DrawOptions, PromptDecoder
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image, content_hash
from persongen_bench.methods._instructed import instructed
from persongen_bench.methods._items import read_json, write_json
from persongen_bench.methods.finetune.config import GENERATE_FIELDS, TrainingConfig
from persongen_bench.methods.finetune.pipeline import trainable_decoder
from persongen_bench.methods.finetune.store import AdapterStore
from persongen_bench.methods.finetune.studio import Fit, Learned, Studio, open_studio
from persongen_bench.util.batching import blocks


class FinetunedMethod(ABC):
    """Adapters that `fit` trains, one file per owner; drawing with the owner's adapter.

    An owner is a user, or `EVERYBODY`. Subclasses say whose adapters there are and how one is
    trained; they are final.
    """

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = GENERATE_FIELDS
    makes: ClassVar[str] = "image"

    config: Any
    """A `TrainingConfig`."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self._store: AdapterStore | None = None
        self._owners: frozenset[str] = frozenset()
        self._decoder: PromptDecoder | None = None
        self._places: dict[str, int] = {}

    @abstractmethod
    def owners(self, train: View, users: Sequence[str]) -> Sequence[str]:
        """Whose adapters to train, where ``users`` will be asked for."""

    @abstractmethod
    def owner(self, user: str) -> str:
        """Whose adapter draws for ``user``."""

    @abstractmethod
    def learn(self, owners: Sequence[str], train: View, studio: Studio) -> Sequence[Learned]:
        """Train the adapters of one of `groups`; each depends on its owner and the seed."""

    def groups(self, owners: Sequence[str], train: View) -> list[list[str]]:  # noqa: ARG002
        """Who is trained together: one after the other, unless a subclass says otherwise."""
        return [[owner] for owner in owners]

    @abstractmethod
    def condition(self, user: str) -> Condition:
        """What the adapted decoder is asked to draw for ``user``."""

    @abstractmethod
    def begin(self, train: View, owners: Sequence[str], context: FitContext) -> None:
        """Prepare what the trainings of ``owners`` share, such as captions."""

    def fit(self, train: View, context: FitContext) -> None:
        """Train every adapter that is not yet among the checkpoints; the pipeline stays as it was.

        Raises `ConfigError` for a stack without a text-to-image pipeline.
        """
        decoder = trainable_decoder(context.stack, type(self).__name__)
        self._bind(AdapterStore(context.checkpoints), decoder, train)
        owners = self.owners(train, context.users or train.users)
        fit = Fit(
            self._identity(train, context), context.seed, context.checkpoints, context.progress
        )
        for part in context.parts:
            self._stored.take(AdapterStore(part), owners, fit.identity)
        missing = [owner for owner in owners if not self._stored.holds(owner, fit.identity)]
        if missing:
            self.begin(train, missing, context)
            with open_studio(decoder.pipeline, self.config, train.catalog, fit) as studio:
                groups = self.groups(missing, train)
                for group in context.progress(groups, "adapters", len(groups)):
                    self._keep(group, self.learn(group, train, studio), fit.identity)
        self._owners = frozenset(owners)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """Draw each sample with its owner's adapter; a sample without one is a `Failure`.

        Where that holds for all, `UnsupportedRequestError` is raised.
        """
        asked = [self.condition(sample.request.user_id) for sample in samples]
        return self.draw(samples, asked, self.config.draw_options)

    def draw(
        self,
        samples: Sequence[Sample],
        asked: Sequence[Condition | Failure],
        options: DrawOptions,
    ) -> list[Image | Failure]:
        """`generate` with given conditions, each behind the instruction of its request.

        Every adapter is loaded once and then forgotten.
        """
        owners = [self.owner(sample.request.user_id) for sample in samples]
        if samples and not self._owners.intersection(owners):
            raise UnsupportedRequestError(self._refusal(samples[0]))
        made: list[Image | Failure] = [
            condition if isinstance(condition, Failure) else self._failure(sample)
            for condition, sample in zip(asked, samples, strict=True)
        ]
        places: dict[str, list[int]] = {}
        for place, (owner, condition) in enumerate(zip(owners, asked, strict=True)):
            if owner in self._owners and isinstance(condition, Condition):
                places.setdefault(owner, []).append(place)
        for owner, mine in places.items():
            own = ((asked[k], samples[k].request) for k in mine)
            conditions = [instructed(c, r) for c, r in own if isinstance(c, Condition)]
            with self._ready().adapted(self.adapter(owner)):
                drawn = self._ready().draw(conditions, [samples[k].seed for k in mine], options)
            for place, image in zip(mine, drawn, strict=True):
                made[place] = image
        return made

    def adapter(self, owner: str) -> Adapter:
        """The fitted weights of an owner, read from its file."""
        return self._stored.read(owner)

    def tag(self, user: str) -> str:
        """``<u3>`` for the fourth user of the training view, as the released script writes it."""
        place = self._places.get(user)
        return "<u>" if place is None else f"<u{place}>"

    def save(self, folder: Path) -> None:
        """One safetensors file per owner, and their names (JSON)."""
        self._stored.copy_to(folder, self._owners)
        write_json(folder, {"owners": sorted(self._owners)})

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; adapters are read one by one when they are drawn with.

        Raises `RunError` where files are missing.
        """
        try:
            owners = frozenset(str(owner) for owner in read_json(folder)["owners"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{folder}: no saved adapters ({error})", fix="Fit it again.") from None
        store = AdapterStore(folder)
        lost = sorted(owner for owner in owners if not store.holds(owner))
        if lost:
            raise RunError(f"{folder}: the adapter of {lost[0]!r} is gone", fix="Fit it again.")
        self._bind(store, trainable_decoder(stack, type(self).__name__), train)
        self._owners = owners

    def _bind(self, store: AdapterStore, decoder: PromptDecoder, train: View) -> None:
        self._store, self._decoder = store, decoder
        self._places = {user: place for place, user in enumerate(train.users)}

    def _keep(self, owners: Sequence[str], learned: Sequence[Learned], identity: str) -> None:
        for owner, one in zip(owners, learned, strict=True):
            last = one.losses[-max(1, len(one.losses) // 10) :]
            facts = {"identity": identity, "n_steps": len(one.losses), "loss": float(last.mean())}
            self._stored.write(owner, _rounded(one.adapter, self.config.weights_dtype), facts)

    def _identity(self, train: View, context: FitContext) -> str:
        options = self.config.model_dump(mode="json", exclude=set(self.generate_fields))
        name = type(self).__name__
        return content_hash(name, options, train.hash, context.seed, context.stack.signature)

    def _failure(self, sample: Sample) -> Failure:
        return Failure("method_error", self._refusal(sample))

    def _refusal(self, sample: Sample) -> str:
        user = sample.request.user_id
        if user in self._places:
            return f"no adapter was trained for user {user!r}: no liked image, or not asked for"
        return f"user {user!r} is not among the users of the training data"

    @property
    def _stored(self) -> AdapterStore:
        if self._store is None:
            raise RunError("no adapters are trained", fix="Call fit or load first.")
        return self._store

    def _ready(self) -> PromptDecoder:
        if self._decoder is None:
            raise RunError("no adapters are trained", fix="Call fit or load first.")
        return self._decoder


def _rounded(adapter: Adapter, dtype: str) -> Adapter:
    lora = {name: np.asarray(value, dtype=dtype) for name, value in adapter.lora.items()}
    words = {name: np.asarray(value, dtype=dtype) for name, value in adapter.words.items()}
    return Adapter(lora=lora, alpha=adapter.alpha, words=words)


def filled(owners: Sequence[str], size: int) -> list[str]:
    """``size`` owners: those given, and the last of them again and again."""
    return [*owners, *[owners[-1]] * (size - len(owners))]


def divided(owners: Sequence[str], size: int) -> list[list[str]]:
    """Groups of up to ``size``, in order."""
    return [list(owners[part]) for part in blocks(len(owners), size)]
