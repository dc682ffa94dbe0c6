"""LoRAs as data: models that people made and shared, with pictures drawn with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from persongen_bench.core.errors import DataError
from persongen_bench.core.later import pd
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, content_hash, frame_hash


class AdapterSource(Protocol):
    """Opens LoRAs from rows of a zoo's table; holds no list of models itself."""

    def open(self, rows: pd.DataFrame) -> list[Adapter]:
        """The LoRAs of ``rows`` (indexed by model id) in their order."""
        ...


@dataclass(frozen=True)
class ModelZoo:
    """Models indexed by ``model_id``; their weights are opened only when asked for.

    ``items`` has the columns ``rank`` (int), ``owner`` (user id of who made it) and ``held_out``
    (bool: methods do not see it before a request names it), and may have ``base``, ``tags``,
    ``file`` and any other. ``examples``: pictures drawn with the models, whose column ``model_id``
    says with which.
    """

    items: pd.DataFrame
    source: AdapterSource
    examples: Catalog

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        n_held_out = int(self.items["held_out"].sum())
        shown = f"{len(self.examples):,} pictures"
        return f"<ModelZoo of {len(self):,} models, {n_held_out:,} held out, {shown}>"

    @property
    def ids(self) -> list[str]:
        """Model ids in table order."""
        return [str(i) for i in self.items.index]

    @property
    def held_out(self) -> tuple[str, ...]:
        """Ids of the models that methods do not see, in table order."""
        return tuple(map(str, self.items.index[self.items["held_out"].astype(bool)]))

    def open(self, model_ids: Sequence[str]) -> list[Adapter]:
        """The LoRAs of ``model_ids`` in their order; an unknown id raises `DataError`."""
        self._require(model_ids)
        return self.source.open(self.items.loc[list(model_ids)])

    def examples_of(self, model_id: str) -> tuple[str, ...]:
        """Item ids, in ``examples``, of the pictures drawn with a model."""
        return self._examples.get(model_id, ())

    def subset(self, model_ids: Iterable[str]) -> ModelZoo:
        """A zoo of only these models and their pictures (table order kept)."""
        wanted = set(model_ids)
        self._require(sorted(wanted))
        shown = self.examples.items
        pictures = self.examples.subset(shown.index[shown["model_id"].isin(wanted)])
        kept = self.items[self.items.index.isin(wanted)].copy()
        return ModelZoo(kept, self.source, pictures)

    @cached_property
    def seen(self) -> ModelZoo:
        """What methods see: the models that are not held out."""
        hidden = set(self.held_out)
        return self.subset(model_id for model_id in self.ids if model_id not in hidden)

    @cached_property
    def hash(self) -> str:
        """Content hash of both tables (weights enter through checksums or recipes in them)."""
        return content_hash(frame_hash(self.items.reset_index()), self.examples.hash)

    @cached_property
    def _examples(self) -> dict[str, tuple[str, ...]]:
        groups = self.examples.items.groupby("model_id", sort=False)
        return {str(name): tuple(map(str, rows.index)) for name, rows in groups}

    def _require(self, model_ids: Sequence[str]) -> None:
        missing = [i for i in model_ids if i not in self.items.index]
        if missing:
            raise DataError(f"model {missing[0]!r} is not in this zoo of {len(self)} models")
