"""Encode each image once per model: one store for catalogues, runs, metrics and methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.images import READING
from persongen_bench.core.later import pd
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.roles import CaptionHead, Head, open_role
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Catalog, Description, Embeddings, Image, content_hash
from persongen_bench.loop.description_table import DescriptionTable
from persongen_bench.loop.encoding import (
    CHUNK,
    Chunk,
    Later,
    Pictures,
    RowLaw,
    chunk_of,
    hashes_of,
    items,
    pictures,
    rows_of,
)
from persongen_bench.loop.feature_shard import Keys, keys_of
from persongen_bench.loop.feature_table import FeatureTable
from persongen_bench.loop.held_pictures import HeldPictures
from persongen_bench.loop.kept import kept_keys
from persongen_bench.util.batching import blocks
from persongen_bench.util.opening import OpenImages

ATTEMPTS = 3
"""Times that rows are encoded, where what is kept of them is damaged."""
BUFFER = 1 << 28
"""Bytes of rows held before they are written."""
LARGEST = 1 << 16
"""Numbers in a row up to which rows are kept; longer ones are encoded where they are needed."""


class FeatureStore:
    """Rows and words by content and model; ``encoded`` counts the images that a model has seen."""

    def __init__(self, folder: Path, stack: Stack, progress: Progress = no_progress) -> None:
        self.stack = stack
        self.encoded: Counter[str] = Counter()
        self._folder = folder
        self._progress = progress
        self._tables: dict[str, FeatureTable] = {}
        self._texts: dict[tuple[str, str], np.ndarray] = {}

    def rows(self, role: str, pixel_hashes: Sequence[str], open_images: OpenImages) -> Embeddings:
        """float32 ``(n, d)`` of the images with these hashes; only the unknown are opened.

        ``open_images`` may be `Pictures`, which gives messages names and spares memory. Raises
        `DataError` where an image is not the one its hash says, and, with its name and the role,
        where a row holds a number that is not finite, fresh or kept.
        """
        model, keys = open_role(self.stack, role), keys_of(pixel_hashes)
        shown, n = pictures(open_images), len(keys)
        if isinstance(model, Head):
            rows = model.from_base(self.rows(model.base, pixel_hashes, open_images))
            return RowLaw(role, None, shown.name).check(rows, n)
        if model.embedding_size > LARGEST:
            self.encoded[role] += n
            return rows_of(model, role, keys, shown, BUFFER)
        fix = f"Remove {self._place(model)}: its rows are computed again."
        rows = self._kept(role, keys, shown)
        return RowLaw(role, model.embedding_size, shown.name, fix).check(rows, n)

    def _kept(self, role: str, keys: Keys, shown: Pictures) -> Embeddings:
        """Rows from the table; what is not there, or is damaged there, is encoded."""
        table = self._table(open_role(self.stack, role))
        for _ in range(ATTEMPTS):
            rows, sound = table.read(keys)
            if sound.all():
                return rows
            with table.lock():
                new = ~table.known(keys)
                places = np.flatnonzero(new)[np.sort(np.unique(keys[new], return_index=True)[1])]
                self._add(role, self._chunks(places, shown, keys, role), shown)
        return table.rows(keys)

    def learn(self, role: str, n: int, open_images: OpenImages) -> list[str]:
        """Encode n images whose hashes are not known yet, opening each once; their hashes."""
        model, shown = open_role(self.stack, role), pictures(open_images)
        if isinstance(model, Head):
            return self.learn(model.base, n, open_images)
        if model.embedding_size > LARGEST:
            return hashes_of(n, shown)
        hashes: list[str] = []

        def chunks() -> Iterable[Chunk]:
            for chunk in self._chunks(range(n), shown, None, role):
                hashes.extend(f"{key:016x}" for key in chunk.keys)
                yield chunk

        with self._table(model).lock():
            self._add(role, chunks(), shown)
        return hashes

    def describe(
        self, role: str, pixel_hashes: Sequence[str], open_images: OpenImages
    ) -> list[Description]:
        """What a captioner says about the images; each is described once."""
        table = DescriptionTable(self._place(open_role(self.stack, role)) / "words.sqlite")
        known = table.get(pixel_hashes)
        new = {h: place for place, h in enumerate(pixel_hashes) if h not in known}
        for part, said in self._said(role, list(new.values()), pixel_hashes, pictures(open_images)):
            own = [pixel_hashes[k] for k in part]
            self.encoded[role] += len(own)
            table.add(own, said)
            known |= dict(zip(own, said, strict=True))
        return [known[h] for h in pixel_hashes]

    def _said(
        self, role: str, places: list[int], pixel_hashes: Sequence[str], shown: Pictures
    ) -> Iterable[tuple[list[int], list[Description]]]:
        model = open_role(self.stack, role)
        for part in self._progress(blocks(len(places), CHUNK), f"describe images ({role})"):
            chosen = places[part]
            own = [pixel_hashes[k] for k in chosen]
            if isinstance(model, CaptionHead):
                said = model.describe_rows(self.rows(model.base, own, shown.at(chosen)))
            else:
                said = model.describe(Later(shown, chosen, keys_of(own)))
            yield chosen, said

    def texts(self, role: str, texts: Sequence[str]) -> Embeddings:
        """float32 ``(n, d)`` beside the role's images; each text is encoded once a process."""
        model = open_role(self.stack, role)
        new = [text for text in dict.fromkeys(texts) if (role, text) not in self._texts]
        if new:
            law = RowLaw(role, model.embedding_size, lambda k: f"the text {new[k]!r}")
            rows = law.float32(model.encode_texts(new), len(new))
            self._texts |= {(role, text): row for text, row in zip(new, rows, strict=True)}
        found = [self._texts[role, text] for text in texts]
        return np.array(found, dtype=np.float32).reshape(len(texts), model.embedding_size)

    def _add(self, role: str, chunks: Iterable[Chunk], shown: Pictures) -> None:
        """Encode the images of each chunk that have no row yet."""
        model = open_role(self.stack, role)
        table, keys, rows = self._table(model), np.zeros(0, np.uint64), list[Embeddings]()
        for chunk in chunks:
            own = chunk.keys
            new = ~table.known(own) & ~np.isin(own, keys)
            new[np.setdiff1d(np.arange(len(own)), np.unique(own, return_index=True)[1])] = False
            chosen = [int(k) for k in np.flatnonzero(new)]
            if chosen:
                some = chunk.at(chosen)
                law = RowLaw(role, model.embedding_size, shown.at(some.places).name)
                rows.append(law.float32(model.encode(some.images), len(chosen)))
                keys = np.concatenate([keys, some.keys])
                self.encoded[role] += len(chosen)
            if sum(block.nbytes for block in rows) > BUFFER:
                table.add(keys, np.concatenate(rows))
                keys, rows = np.zeros(0, np.uint64), []
        if rows:
            table.add(keys, np.concatenate(rows))

    def _chunks(
        self, places: Sequence[int] | np.ndarray, shown: Pictures, keys: Keys | None, role: str
    ) -> Iterable[Chunk]:
        parts = [[int(k) for k in places[block]] for block in blocks(len(places), CHUNK)]
        for part in self._progress(parts, f"encode images ({role})", len(parts)):
            yield chunk_of(part, shown, None if keys is None else keys[part])

    def _table(self, model: Any) -> FeatureTable:  # noqa: ANN401  # an encoder
        if model.signature not in self._tables:
            self._tables[model.signature] = FeatureTable(self._place(model), model.embedding_size)
        return self._tables[model.signature]

    def _place(self, model: Any) -> Path:  # noqa: ANN401  # an encoder or a captioner
        return self._folder / content_hash("model", model.signature)


@dataclass
class CatalogFeatures:
    """What the models say about a catalogue's items, through the store."""

    catalog: Catalog
    store: FeatureStore
    cache: Path
    """Folder for the pixel hashes of a catalogue, named by its content."""
    _hashes: list[str] = field(default_factory=list)
    _held: HeldPictures[str] = field(default_factory=HeldPictures, init=False)

    def rows(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """``(len(item_ids), d)`` float32 in the order asked for."""
        places = self._places(item_ids)
        hashes = self._known_hashes(role)
        return self.store.rows(role, [hashes[k] for k in places], self._opener(places))

    def images(self, item_ids: Sequence[str]) -> list[Image]:
        """The pictures of items; the latest are held."""
        return self._held.get(item_ids, self.catalog.images)

    def describe(self, role: str, item_ids: Sequence[str]) -> list[Description]:
        """What a captioner says about items."""
        opener = self._opener(self._places(item_ids))
        return self.store.describe(role, self.pixel_hashes(item_ids), opener)

    def pixel_hashes(self, item_ids: Sequence[str]) -> list[str]:
        """Content of items."""
        hashes = self._known_hashes(None)
        return [hashes[k] for k in self._places(item_ids)]

    def restricted(self, catalog: Catalog) -> CatalogFeatures:
        """Features of some items alone: nothing in them leads to an item outside ``catalog``."""
        hashes = self.pixel_hashes(catalog.ids) if catalog.pictured else []
        return CatalogFeatures(catalog, self.store, self.cache, hashes)

    def for_view(self, role: str, view: View) -> Embeddings:
        """Features of a view's catalogue, this one's items or others', in its order."""
        if view.catalog.items.index.isin(self.catalog.items.index).all():
            return self.rows(role, view.catalog.ids)
        return CatalogFeatures(view.catalog, self.store, self.cache).rows(role, view.catalog.ids)

    @cached_property
    def _ids(self) -> list[str]:
        return self.catalog.ids

    def _places(self, item_ids: Sequence[str]) -> list[int]:
        positions = self.catalog.items.index.get_indexer(pd.Index(item_ids))
        if (positions < 0).any():
            raise KeyError(item_ids[int(np.argmin(positions))])
        return [int(k) for k in positions]

    def _opener(self, places: Sequence[int]) -> Pictures:
        return items(self.catalog, self._ids, self.images).at(places)

    def _known_hashes(self, role: str | None) -> list[str]:
        """Hashes of every item; found while encoding for ``role`` where they are not known."""
        if len(self._hashes) != len(self.catalog):
            file = self.cache / "catalogs" / f"{self.catalog.hash}-{READING}.npy"
            keys = kept_keys(file, len(self.catalog), lambda: self._find_hashes(role))
            self._hashes = [f"{key:016x}" for key in keys]
        return self._hashes

    def _find_hashes(self, role: str | None) -> list[str]:
        n, opener = len(self.catalog), self._opener(range(len(self.catalog)))
        return hashes_of(n, opener) if role is None else self.store.learn(role, n, opener)
