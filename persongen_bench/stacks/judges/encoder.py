"""Judges as encoders: nothing is opened before it is asked for, and every row stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.util.batching import blocks, map_rows


class Preparation(Protocol):
    """Picture to network input; its text is part of the signature."""

    @property
    def size(self) -> int:
        """Side of the square."""
        ...

    def pixels(self, image: Image) -> Float[np.ndarray, "3 size size"]:
        """float32, as the network reads it."""
        ...


class JudgeNetwork(Protocol):
    """What an opened judge can do; a judge without texts has no ``texts``."""

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Embeddings of prepared pictures."""
        ...

    def texts(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n d"]:
        """Embeddings of token numbers."""
        ...


@dataclass(frozen=True)
class EncoderCard:
    """What is known of a judge before its network is opened."""

    name: str
    weights: str
    """Checksum of its files, ``sha256:...``."""
    embedding_size: int
    preparation: Preparation
    device: torch.device
    rows: int
    """Rows of every network call (`persongen_bench.util.batching`)."""


class JudgeEncoder:
    """Pictures through a frozen network in float32; implements `ImageEncoder`."""

    def __init__(self, card: EncoderCard, open_network: Callable[[], Any]) -> None:
        """``open_network`` gives a `JudgeNetwork` on the CPU; it is called by the first picture."""
        self.card = card
        self._open_network = open_network
        self.embedding_size = card.embedding_size
        self.signature = (
            f"{card.name}|{card.preparation}|dtype:float32|rows:{card.rows}"
            f"|weights:{card.weights}|impl:1"
        )

    @cached_property
    def network(self) -> Any:  # noqa: ANN401  # a JudgeNetwork and a torch module
        """The opened network, on the judge's device."""
        return self._open_network().to(self.card.device)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``; row i from image i."""
        if not images:
            return np.zeros((0, self.embedding_size), dtype=np.float32)
        rows = self.card.rows
        parts = [images[part] for part in blocks(len(images), rows)]
        return np.concatenate([map_rows(self._images, self._pixels(part), rows) for part in parts])

    def _pixels(self, images: Sequence[Image]) -> Float[np.ndarray, "n 3 s s"]:
        return np.stack([self.card.preparation.pixels(image) for image in images])

    def _images(self, rows: Float[np.ndarray, "n 3 s s"]) -> Embeddings:
        with torch.inference_mode():
            embedded = self.network.images(torch.from_numpy(rows).to(self.card.device))
        return np.asarray(embedded.float().cpu().numpy())


class JudgeDual(JudgeEncoder):
    """The same with texts in one space, to be compared by cosine; implements `TextEncoder`."""

    def __init__(
        self,
        card: EncoderCard,
        open_network: Callable[[], Any],
        tokens: Callable[[Sequence[str]], Int64[np.ndarray, "n t"]],
    ) -> None:
        """``tokens``: texts to numbers, cut to the context with the end mark kept."""
        super().__init__(card, open_network)
        self.tokens = tokens

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, embedding_size)``, not normalised; row i depends on text i alone."""
        if not texts:
            return np.zeros((0, self.embedding_size), dtype=np.float32)
        return map_rows(self._texts, self.tokens(list(texts)), self.card.rows)

    def _texts(self, ids: Int64[np.ndarray, "n t"]) -> Embeddings:
        with torch.inference_mode():
            embedded = self.network.texts(torch.from_numpy(ids).to(self.card.device))
        return np.asarray(embedded.float().cpu().numpy())


class Deferred:
    """An encoder that needs its files only when it is used: its signature already needs them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def model(self) -> Any:  # noqa: ANN401  # an ImageEncoder, possibly with texts
        """The encoder; raises `MissingWeightsError` where files are missing."""
        return self._make()

    @property
    def signature(self) -> str:
        """The encoder's."""
        return str(self.model.signature)

    @property
    def embedding_size(self) -> int:
        """The encoder's."""
        return int(self.model.embedding_size)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """As the encoder's."""
        rows: Embeddings = self.model.encode(images)
        return rows


class DeferredDual(Deferred):
    """The same for an encoder of pictures and texts."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """As the encoder's."""
        rows: Embeddings = self.model.encode_texts(texts)
        return rows


class Family(Deferred):
    """Published variants of one role; without a variant it is the first. Implements `Variants`."""

    def __init__(self, makers: Mapping[str, Callable[[], ImageEncoder]]) -> None:
        """``makers``: variant => what opens it."""
        self.variants = tuple(makers)
        self._makers = makers
        self._opened: dict[str, Any] = {}
        super().__init__(lambda: self.variant(self.variants[0]))

    def variant(self, name: str) -> Any:  # noqa: ANN401  # an ImageEncoder, possibly with texts
        """The encoder of one of ``variants``; kept once it is made."""
        if name not in self._opened:
            self._opened[name] = self._makers[name]()
        return self._opened[name]


class DualFamily(Family, DeferredDual):
    """Variants that encode texts too."""
