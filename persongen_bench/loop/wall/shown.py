"""A view as a cell holds it: its tables, and pictures and models that are asked for one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import (
    Catalog,
    Image,
    ImageSource,
    MeasuredSource,
    NamingSource,
    NoImages,
)
from persongen_bench.core.zoo import ModelZoo

AT_A_TIME = 64
"""Pictures that one question asks for."""
Ask = Callable[..., Any]
"""``ask(what, of, ids)``: what the other side of the wall answers."""


@dataclass(frozen=True)
class AskedImages:
    """Pictures of a catalogue on the other side of the wall."""

    ask: Ask
    of: str
    """Name of the catalogue there."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """The images of ``rows``."""
        return self._each("pictures", rows)

    def _each(self, what: str, rows: pd.DataFrame) -> list[Any]:
        ids = [str(item) for item in rows.index]
        parts = [ids[k : k + AT_A_TIME] for k in range(0, len(ids), AT_A_TIME)]
        return [one for part in parts for one in self.ask(what, self.of, part)]


class MeasuredImages(AskedImages):
    """The same of pictures whose sizes are known."""

    def sizes(self, rows: pd.DataFrame) -> list[int]:
        """Bytes of the image of each row."""
        return self._each("sizes", rows)


class NamedImages(AskedImages):
    """The same of pictures whose subjects are known."""

    def subjects(self, rows: pd.DataFrame) -> list[str]:
        """What the image of each row shows."""
        return self._each("subjects", rows)


class MeasuredNamedImages(MeasuredImages, NamedImages):
    """The same of pictures whose sizes and subjects are known."""


_SOURCES: dict[tuple[bool, bool], type[AskedImages]] = {
    (False, False): AskedImages,
    (True, False): MeasuredImages,
    (False, True): NamedImages,
    (True, True): MeasuredNamedImages,
}


@dataclass(frozen=True)
class ShownCatalog:
    """A catalogue without the source of its pictures."""

    items: pd.DataFrame
    pictured: bool
    measured: bool
    naming: bool

    @classmethod
    def of(cls, catalog: Catalog) -> ShownCatalog:
        """What of a catalogue goes through the wall."""
        source = catalog.source
        known = isinstance(source, MeasuredSource), isinstance(source, NamingSource)
        return cls(catalog.items, catalog.pictured, *known)

    def open(self, ask: Ask, of: str) -> Catalog:
        """The catalogue in a cell."""
        source: ImageSource = NoImages()
        if self.pictured:
            source = _SOURCES[self.measured, self.naming](ask, of)
        return Catalog(self.items, source)


@dataclass(frozen=True)
class AskedModels:
    """Models of a zoo on the other side of the wall."""

    ask: Ask
    of: str

    def open(self, rows: pd.DataFrame) -> list[Adapter]:
        """The LoRAs of ``rows``."""
        return [self.ask("models", self.of, [str(model)])[0] for model in rows.index]


@dataclass(frozen=True)
class ShownView:
    """A view without the sources of its pictures and models."""

    catalog: ShownCatalog
    interactions: pd.DataFrame
    pairs: pd.DataFrame | None = None
    models: pd.DataFrame | None = None
    examples: ShownCatalog | None = None

    @classmethod
    def of(cls, view: View) -> ShownView:
        """What of a view goes through the wall."""
        catalog, zoo = ShownCatalog.of(view.catalog), view.models
        if zoo is None:
            return cls(catalog, view.interactions, view.pairs)
        examples = ShownCatalog.of(zoo.examples)
        return cls(catalog, view.interactions, view.pairs, zoo.items, examples)

    def open(self, ask: Ask, of: str) -> View:
        """The view in a cell; ``of``: its name on the other side."""
        zoo = None
        if self.models is not None and self.examples is not None:
            examples = self.examples.open(ask, examples_of(of))
            zoo = ModelZoo(self.models, AskedModels(ask, of), examples)
        return View(self.catalog.open(ask, of), self.interactions, self.pairs, zoo)


def examples_of(view: str) -> str:
    """Name of the catalogue of pictures that were drawn with the models of a view."""
    return f"{view}/examples"
