"""The seam of stacks: the frozen pretrained models, by role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from persongen_bench.core.types import Embeddings, Image


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


@runtime_checkable
class FixedSize(Protocol):
    """A stack whose decoder draws squares of one size only."""

    @property
    def image_size(self) -> int:
        """Side of every image in pixels; no model is opened for it.

        Raises `PgbenchError` where the files that say so are missing.
        """
        ...


@runtime_checkable
class Obtainable(Protocol):
    """A stack whose files do not ship: it can say that they are not there without opening one."""

    def missing(self) -> str | None:
        """What is missing and which command gets it, on one line; None: everything is there."""
        ...


class StackShell:
    """Another stack in all it says; what gives out a model may be overridden."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self._stack.name

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles it can fill."""
        return self._stack.roles

    @property
    def signature(self) -> str:
        """Signature of the stack."""
        return self._stack.signature

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role."""
        return self._stack.role(name)
