"""The nouns of the benchmark as frozen values.

Image contract, everywhere: ``uint8``, RGB, channels first. One image is ``(3, h, w)``; images of
one collection may differ in size, so a collection is a list of arrays.
Tables are pandas frames with the columns named here, ids are ``str``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt8

from persongen_bench.errors import DataError

Image: TypeAlias = UInt8[np.ndarray, "3 h w"]
Embeddings: TypeAlias = Float[np.ndarray, "n d"]
ScoreMatrix: TypeAlias = Float[np.ndarray, "n users"]
Rows: TypeAlias = Sequence[int] | Int[np.ndarray, " rows"]
"""Positions in a table."""

SampleState = Literal["pending", "ok", "method_error", "filtered", "missing", "unscored"]
Direction = Literal["higher", "lower", "none"]

INTERACTION_COLUMNS = ("user_id", "item_id", "rating", "liked", "timestamp")


def content_hash(*parts: object) -> str:
    """Hex sha256 (first 16 digits) of JSON-serialisable ``parts``; stable across processes."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def frame_hash(frame: pd.DataFrame) -> str:
    """Content hash of a frame: column names, order of rows, and every value; not the index."""
    digest = hashlib.sha256(json.dumps([str(c) for c in frame.columns]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


class ImageSource(Protocol):
    """Opens images from rows of a catalogue's item table; holds no list of items itself."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows`` (indexed by item id) in their order."""
        ...


@dataclass(frozen=True)
class Catalog:
    """Items indexed by ``item_id``; images are opened only when asked for.

    ``items`` may have the columns ``image`` (path relative to the data root), ``caption``,
    ``theme``, ``style`` and any attributes; ``source`` knows how to open a row.
    """

    items: pd.DataFrame
    source: ImageSource

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """Item ids in table order."""
        return [str(i) for i in self.items.index]

    def images(self, item_ids: Sequence[str]) -> list[Image]:
        """Open ``item_ids`` in their order; an id outside this catalogue raises `DataError`."""
        return self.source.open(self._rows(item_ids))

    def subset(self, item_ids: Iterable[str]) -> Catalog:
        """A catalogue of only these items (table order kept); it holds no trace of the others."""
        wanted = set(item_ids)
        unknown = wanted.difference(self.items.index)
        if unknown:
            raise DataError(f"unknown item {min(unknown)!r} ({len(unknown)} in all)")
        return Catalog(self.items[self.items.index.isin(wanted)].copy(), self.source)

    @cached_property
    def hash(self) -> str:
        """Content hash of the item table (images enter through their paths or checksums)."""
        return frame_hash(self.items.reset_index())

    def _rows(self, item_ids: Sequence[str]) -> pd.DataFrame:
        missing = [i for i in item_ids if i not in self.items.index]
        if missing:
            raise DataError(
                f"item {missing[0]!r} is not in this catalogue of {len(self)} items",
                fix="Methods see only the training catalogue.",
            )
        return self.items.loc[list(item_ids)]


class KnownTaste(Protocol):
    """A world whose taste is known: the true probability that a user likes an image."""

    @property
    def signature(self) -> str:
        """The instrument that reads the images, with its version."""
        ...

    def utility(self, images: Sequence[Image], user_ids: Sequence[str]) -> ScoreMatrix:
        """``(n images, n users)`` true like-probabilities in [0, 1]."""
        ...


@dataclass(frozen=True)
class DatasetCard:
    """What a reader must know of a data set before they trust a number made with it."""

    title: str
    description: str
    license: str
    source: str
    citation: str = ""
    instructions: str = ""
    """How to get it and where to put it, for data we may not ship."""


@dataclass(frozen=True)
class Split:
    """A seeded, hashed division of the interactions.

    ``train`` and ``test`` (and ``validation``, possibly empty) hold `INTERACTION_COLUMNS`.
    """

    name: str
    seed: int
    train: pd.DataFrame
    test: pd.DataFrame
    validation: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(INTERACTION_COLUMNS))
    )

    @cached_property
    def hash(self) -> str:
        """Hash of the name, the seed and the rows of every part."""
        parts = [frame_hash(part) for part in (self.train, self.validation, self.test)]
        return content_hash(self.name, self.seed, parts)


class SplitFunction(Protocol):
    """Divides interactions; the same seed gives the same split on every machine."""

    def __call__(self, interactions: pd.DataFrame, seed: int) -> Split:
        """The split for ``seed``."""
        ...


@dataclass(frozen=True)
class Dataset:
    """Interactions and catalogue with their card; ``taste`` where the truth is known.

    ``splits`` names the ways to divide it; the first one is the default.
    """

    name: str
    card: DatasetCard
    catalog: Catalog
    interactions: pd.DataFrame
    splits: Mapping[str, SplitFunction]
    taste: KnownTaste | None = None

    @cached_property
    def revision(self) -> str:
        """Content hash of catalogue and interactions."""
        return content_hash(self.name, self.catalog.hash, frame_hash(self.interactions))

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Divide the interactions by the named rule (default: the first)."""
        key = name or next(iter(self.splits))
        if key not in self.splits:
            raise DataError(
                f"dataset {self.name} has no split {key!r}", fix=f"Use one of {list(self.splits)}."
            )
        return self.splits[key](self.interactions, seed)

    def train_view(self, split: Split) -> View:
        """What a method sees: training rows, and the catalogue without held-out items."""
        held_out = set(split.test["item_id"]) | set(split.validation["item_id"])
        hidden = held_out - set(split.train["item_id"])
        visible = self.catalog.items.index[~self.catalog.items.index.isin(hidden)]
        return View(self.catalog.subset(visible), split.train.reset_index(drop=True))

    def test_view(self, split: Split) -> View:
        """The held-out rows and their items: for metrics and privileged anchors only."""
        items = set(split.test["item_id"])
        return View(self.catalog.subset(items), split.test.reset_index(drop=True))


@dataclass(frozen=True)
class View:
    """A self-contained part of a data set: interactions and the only items they may touch."""

    catalog: Catalog
    interactions: pd.DataFrame

    @cached_property
    def users(self) -> tuple[str, ...]:
        """User ids in sorted order."""
        return tuple(sorted(self.interactions["user_id"].unique()))

    @cached_property
    def liked_items(self) -> dict[str, tuple[str, ...]]:
        """Per user the liked item ids, oldest first.

        Where there is no time, the order is that of a hash of the item ids: the tail of the list,
        which becomes a history, is then a random sample, whatever the order of the rows.
        """
        liked = self.interactions[self.interactions["liked"].astype(bool)]
        shuffled = pd.util.hash_array(liked["item_id"].to_numpy(dtype=object))
        order = np.lexsort((shuffled, liked["timestamp"].fillna(-np.inf).to_numpy(dtype=float)))
        liked = liked.iloc[order]
        groups = liked.groupby("user_id", sort=True)["item_id"]
        found = {str(user): tuple(items) for user, items in groups}
        return {user: found.get(user, ()) for user in self.users}

    @cached_property
    def hash(self) -> str:
        """Content hash of the interactions and the catalogue."""
        return content_hash(self.catalog.hash, frame_hash(self.interactions))


@dataclass(frozen=True)
class Request:
    """One thing to generate: ``n_images`` pictures for ``user_id``."""

    user_id: str
    history: tuple[str, ...] = ()
    """Item ids the user liked before, oldest first; they are in the training catalogue."""
    n_images: int = 1
    reference: str | None = None
    instruction: str | None = None

    def key(self) -> dict[str, Any]:
        """What identifies the request; ``n_images`` is left out, so that more extend the run."""
        return {
            "user_id": self.user_id,
            "history": list(self.history),
            "reference": self.reference,
            "instruction": self.instruction,
        }


@dataclass(frozen=True)
class Sample:
    """The ``index``-th image to make for ``request``; its randomness comes from ``seed`` alone."""

    sample_id: str
    index: int
    request: Request

    @property
    def seed(self) -> int:
        """63-bit seed that depends on nothing but the sample's id."""
        return int(self.sample_id, 16) >> 1

    def rng(self) -> np.random.Generator:
        """A fresh generator for this sample."""
        return np.random.default_rng(self.seed)


def plan_samples(protocol: Mapping[str, object], requests: Sequence[Request]) -> list[Sample]:
    """All samples of a run in canonical order.

    ``sample_id = hash(protocol, request, k)``, where ``protocol`` names the dataset revision,
    split, track and run seed: never the loop order, the batch size or the worker count.
    """
    return [
        Sample(content_hash(dict(protocol), request.key(), k), k, request)
        for request in requests
        for k in range(request.n_images)
    ]


@dataclass(frozen=True)
class Description:
    """What a captioner says about one image."""

    caption: str
    tags: tuple[str, ...]
    """Lower-case keywords (objects, attributes, styles, colours), without repetition."""


@dataclass(frozen=True)
class Failure:
    """A sample a method declined to deliver, and why; it stays in the denominator."""

    state: Literal["method_error", "filtered"]
    reason: str
