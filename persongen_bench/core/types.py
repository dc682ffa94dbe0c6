"""The nouns of the benchmark as frozen values.

Image contract, everywhere: ``uint8``, RGB, channels first. One image is ``(3, h, w)``; images of
one collection may differ in size, so a collection is a list of arrays.
Tables are pandas frames with the columns named here, ids are ``str``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8

from persongen_bench.core.errors import DataError
from persongen_bench.core.later import pd

Image: TypeAlias = UInt8[np.ndarray, "3 h w"]
Embeddings: TypeAlias = Float[np.ndarray, "n d"]
ScoreMatrix: TypeAlias = Float[np.ndarray, "n users"]
Rows: TypeAlias = Sequence[int] | Int[np.ndarray, " rows"]
"""Positions in a table."""

SampleState = Literal["pending", "ok", "method_error", "filtered", "missing", "unscored"]
Direction = Literal["higher", "lower", "none"]
Unit = Literal["user", "prompt"]
"""What is resampled for an interval: the users, or the prompts."""

INTERACTION_COLUMNS = ("user_id", "item_id", "rating", "liked", "timestamp")
PAIR_COLUMNS = ("pair_id", "user_id", "prompt", "winner", "loser", "tie")
"""Of a table of preferences: somebody saw two pictures of one prompt and liked one of them better.
``winner`` and ``loser`` are item ids; where ``tie`` is true neither is preferred, and they stand in
the order in which they were shown."""


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


class NoImages:
    """The source of a catalogue whose items have no pictures, such as films without posters."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """Raises `DataError`, but for no rows at all."""
        if len(rows):
            raise DataError(
                f"item {rows.index[0]!r} has no picture, nor has any item of this catalogue",
                fix="Use methods, metrics and tracks that need no pictures, or data with pictures.",
            )
        return []


@runtime_checkable
class MeasuredSource(ImageSource, Protocol):
    """A source that can say how large its images are; others are opened one at a time."""

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of the image of each row, ``3 h w``, without decoding it; errors as ``open``."""
        ...


@runtime_checkable
class NamingSource(ImageSource, Protocol):
    """A source that can say what its images are of."""

    def subjects(self, rows: pd.DataFrame) -> list[str]:
        """What the image of each row shows, in words that leave open how it is made."""
        ...


@dataclass(frozen=True)
class Catalog:
    """Items indexed by ``item_id``; images are opened only when asked for.

    ``items`` may have the columns ``image`` (path relative to the data root), ``caption``,
    ``subject`` (see `subjects`), ``theme``, ``style`` and any attributes; ``source`` knows how to
    open a row.
    """

    items: pd.DataFrame
    source: ImageSource

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self):,} items: {', '.join(map(str, self.items.columns))}>"

    @property
    def ids(self) -> list[str]:
        """Item ids in table order."""
        return [str(i) for i in self.items.index]

    @property
    def pictured(self) -> bool:
        """Whether its items have pictures at all."""
        return not isinstance(self.source, NoImages)

    def images(self, item_ids: Sequence[str]) -> list[Image]:
        """Open ``item_ids`` in their order; an id outside this catalogue raises `DataError`."""
        return self.source.open(self._rows(item_ids))

    def sizes(self, item_ids: Sequence[str]) -> list[int] | None:
        """Bytes that each image takes once it is open; None where its source cannot tell."""
        if not isinstance(self.source, MeasuredSource):
            return None
        return self.source.sizes(self._rows(item_ids))

    def subjects(self, item_ids: Sequence[str]) -> list[str] | None:
        """What each image is of, in words that leave open how it is made; None: nobody says.

        The column ``subject``, else what the source says, else the captions.
        """
        rows = self._rows(item_ids)
        if "subject" in rows:
            return [str(text) for text in rows["subject"]]
        if isinstance(self.source, NamingSource):
            return self.source.subjects(rows)
        return [str(text) for text in rows["caption"]] if "caption" in rows else None

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


@dataclass(frozen=True)
class Description:
    """What a captioner says about one image."""

    caption: str
    tags: tuple[str, ...]
    """Lower-case keywords (objects, attributes, styles, colours), without repetition."""
    objects: tuple[str, ...] = ()
    """Tags that name what is shown; here and below lower case, none where nobody sorted the tags
    (REBECA, paper 001, appendix F)."""
    attributes: tuple[str, ...] = ()
    """Tags that say how it is."""
    styles: tuple[str, ...] = ()
    """Tags that say how it is shown."""
    colours: tuple[str, ...] = ()
    """Tags that name its colours."""

    @property
    def structured(self) -> bool:
        """Whether tags are sorted into the four lists."""
        return any((self.objects, self.attributes, self.styles, self.colours))
