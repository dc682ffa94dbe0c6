"""Popular: the items that most people liked, without those that the user liked before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.output import Ranking
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack


class PopularConfig(Config):
    """Options of `Popular`."""

    n_items: int = Field(default=10, ge=1)
    """Items in a list, at most."""


@final
class Popular:
    """Answers with a `Ranking`: the most liked items first, then by id."""

    Config: ClassVar[type[Config]] = PopularConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset({"n_items"})
    makes: ClassVar[str] = "ranking"
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: PopularConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:
        """Count the likes of every training item, and remember who liked what."""
        self._liked = {user: list(items) for user, items in train.liked_items.items()}
        likes = Counter(item for items in self._liked.values() for item in items)
        counts = [(item, likes[item]) for item in train.catalog.ids]
        self._counts = sorted(counts, key=lambda pair: (-pair[1], pair[0]))

    def generate(self, samples: Sequence[Sample]) -> Sequence[Ranking | Failure]:
        """One list per sample; a user who liked everything is a failure."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Ranking | Failure:
        request = sample.request
        known = {*self._liked.get(request.user_id, ()), *request.history}
        new = [pair for pair in self._counts if pair[0] not in known][: self.config.n_items]
        if not new:
            return Failure("method_error", f"user {request.user_id} liked everything")
        items, counts = zip(*new, strict=True)
        return Ranking(items, tuple(float(count) for count in counts))

    def save(self, folder: Path) -> None:
        """Write the counts and who liked what."""
        state = {"counts": self._counts, "liked": self._liked}
        (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore what `save` wrote."""
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        self._counts = [(item, count) for item, count in state["counts"]]
        self._liked = state["liked"]
