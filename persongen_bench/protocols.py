"""The seams: what a stack, a method and a metric are.

They are protocols: a class of the right shape fits, whoever wrote it. The contract tests in
`persongen_bench.testing` check the behaviour that types cannot say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from persongen_bench.types import (
    Dataset,
    Embeddings,
    Failure,
    Image,
    KnownTaste,
    Sample,
    View,
)

T = TypeVar("T")


class Config(BaseModel):
    """Base of every configuration: frozen, unknown fields are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True
    )


# --- stacks -------------------------------------------------------------------------------


@runtime_checkable
class ImageEncoder(Protocol):
    """Images to vectors. uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``."""

    signature: str
    """Model, weights sha256 and preprocessing, in one printable string."""
    embedding_size: int

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """Encode; row i depends on image i alone, whatever else is in the batch."""
        ...


@runtime_checkable
class Decoder(Protocol):
    """Vectors of the stack's ``image_encoder`` to images."""

    signature: str

    def decode(self, embeddings: Embeddings, seeds: Sequence[int]) -> list[Image]:
        """One image per row; image i depends on row i and ``seeds[i]`` alone."""
        ...


class Stack(Protocol):
    """The frozen pretrained models, by role."""

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles it can fill."""
        ...

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role; raises `MissingRoleError` naming the roles there are."""
        ...

    @property
    def signature(self) -> str:
        """Name plus weights of every role; runs of different signatures never share a table."""
        ...


# --- datasets -----------------------------------------------------------------------------


class DatasetLoader(Protocol):
    """Reads one data set; the registry's ``datasets`` entries are classes of this shape."""

    Config: ClassVar[type[Config]]

    @classmethod
    def load(cls, config: Any, root: Path | None) -> Dataset:  # noqa: ANN401  # its own Config
        """Load and validate. ``root``: the data folder, None where the user named none."""
        ...


# --- methods ------------------------------------------------------------------------------


class Progress(Protocol):
    """Wraps an iterable with a progress bar (or with nothing, off a terminal)."""

    def __call__(
        self, items: Iterable[T], description: str, total: int | None = None
    ) -> Iterable[T]:
        """Yield ``items`` unchanged."""
        ...


def no_progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:  # noqa: ARG001
    """The silent `Progress`."""
    return items


@dataclass(frozen=True)
class FitContext:
    """What a method may use while it fits, besides the training view."""

    stack: Stack
    seed: int
    features: Callable[[str, View], Embeddings]
    """``features(role, view)``: float32 ``(len(view.catalog), d)`` in catalogue order, cached."""
    checkpoints: Path | None = None
    """Folder for resumable state; kept when a run is killed, removed after the fit."""
    progress: Progress = no_progress
    users: tuple[str, ...] = ()
    """Users that images will be asked for, a part of the training view's users: the ones a method
    that trains per user need train. Empty: every user of the view."""
    held_out: View | None = None
    """The test part: given only to anchors that declare ``privileged``, else None."""
    base_fitted: bool = False
    """For a method that wraps another one (attribute ``base``, its registered name in
    ``config.base``): the loop has fitted that one already, once for its own run and this one."""
    taste: KnownTaste | None = None
    """The true taste, where there is one: given only to ``privileged`` anchors."""


class Method(Protocol):
    """An adapter of one personalisation method.

    Life cycle: ``Method(config)`` then ``fit`` or ``load``, then ``generate`` any number of
    times, in any process, with any subset and order of samples.
    """

    Config: ClassVar[type[Config]]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    """Named sets of config values; ``paper`` holds the published ones."""
    privileged: ClassVar[bool]
    """True for anchors that look at held-out data; they are shown but never ranked."""
    generate_fields: ClassVar[frozenset[str]]
    """Config fields that `fit` does not read; runs that differ in these alone share one fit."""
    config: Any

    def fit(self, train: View, context: FitContext) -> None:
        """Learn from the training view only; deterministic given ``context.seed``."""
        ...

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """One image (or `Failure`) per sample, in order; ``[]`` for none.

        An image may depend on its own sample alone. Raise `UnsupportedRequestError` for a user or
        history the method cannot serve.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted state (safetensors, JSON, Parquet; never pickle)."""
        ...

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote; ``train`` is the view that was fitted."""
        ...
