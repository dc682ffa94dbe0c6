"""The outer side of the wall: answers what a cell asks, of what its method may see."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError, PgbenchError
from persongen_bench.core.request import Sample
from persongen_bench.core.types import Catalog, Embeddings
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.features import CatalogFeatures
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.wall.shown import examples_of
from persongen_bench.loop.world import World

_ONE_AT_A_TIME = threading.Lock()
"""What is cached is opened by one thread at a time."""


@dataclass
class Desk:
    """Answers questions about some views, and about the requests of the batch that is made."""

    world: World
    views: Mapping[str, View]
    stack: RecordingStack
    """Notes the models whose features were asked for."""
    everything: bool = False
    """Whether every picture of the data may be seen: by privileged anchors."""
    opened: Counter[str] = field(default_factory=Counter)
    """References that were looked at, item id => times."""
    _asked: Asked | None = None
    _references: frozenset[str] = frozenset()
    _models: frozenset[str] = frozenset()

    @cached_property
    def features(self) -> CatalogFeatures:
        """Of all that is shown, and of nothing else."""
        shown = {item for view in self.views.values() for item in view.catalog.ids}
        return self.world.features.restricted(self.world.dataset.catalog.subset(shown))

    def attend(self, asked: Asked, samples: Sequence[Sample]) -> None:
        """From now on these samples are made: of the held-out, what their requests name is shown.

        What was opened is counted anew.
        """
        self.opened = Counter()
        self._asked = asked
        self._references = frozenset(s.request.reference for s in samples if s.request.reference)
        self._models = frozenset(s.request.model for s in samples if s.request.model)

    def answer(self, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401  # what was asked for
        """What is asked for, or the error that it raised."""
        what, of, ids = fields.get("what"), str(fields.get("of")), fields.get("ids")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            return DataError("a method's process asked for no list of ids")
        questions = {
            "pictures": self._pictures, "sizes": self._sizes, "subjects": self._subjects,
            "features": self._features, "models": self._opened_models,
            "references": self._looked_at, "edited": self._edited,
        }  # fmt: skip
        question = questions.get(str(what))
        if question is None:
            return DataError("a method's process asked for what there is not")
        try:
            with _ONE_AT_A_TIME:
                return question(of, ids)
        except (PgbenchError, MemoryError, OSError) as error:
            return error

    def _pictures(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401
        return self._seen(of).images(ids)

    def _sizes(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401
        return self._seen(of).sizes(ids)

    def _subjects(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401
        return self._seen(of).subjects(ids)

    def _seen(self, of: str) -> Catalog:
        return self.world.dataset.catalog if self.everything else self._catalog(of)

    def _opened_models(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401
        zoo = self._view(of).models
        if zoo is None:
            raise DataError(f"the view {of} has no models")
        return zoo.open(ids)

    def _features(self, of: str, ids: list[str]) -> Embeddings:
        """``of``: view and role; without a view, of items of several."""
        name, _, role = of.partition("/")
        catalog = self._catalog(name) if name else self.features.catalog
        for item in ids:
            if item not in catalog.items.index:
                raise DataError(f"item {item!r} is not among what is shown")
        self.stack.role(role.partition("/")[0])
        return self.features.rows(role, ids)

    def _looked_at(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401, ARG002
        self._require(ids, self._references, "reference")
        assert self._asked is not None
        self.opened.update(ids)
        return self._asked.references.catalog.images(ids)

    def _edited(self, of: str, ids: list[str]) -> Any:  # noqa: ANN401, ARG002
        self._require(ids, self._models, "model")
        zoo = self.world.dataset.models
        assert zoo is not None
        return zoo.open(ids)

    def _require(self, ids: Sequence[str], named: frozenset[str], what: str) -> None:
        other = next((one for one in ids if one not in named), None)
        if other is not None:
            raise DataError(f"{what} {other!r} is named by no request that is answered now")

    def _view(self, name: str) -> View:
        if name not in self.views:
            raise DataError(f"no view is called {name!r}")
        return self.views[name]

    def _catalog(self, name: str) -> Catalog:
        for view, shown in self.views.items():
            if name == view:
                return shown.catalog
            if name == examples_of(view) and shown.models is not None:
                return shown.models.examples
        raise DataError(f"no view is called {name!r}")
