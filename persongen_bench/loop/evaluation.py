"""What metrics look at: a set of images made for users, with their features and the data.

The images are those of a run directory (`of_run`), or any others that are planned like a run's,
such as candidates that have not been recorded anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.later import pd
from persongen_bench.core.output import IMAGE, OutputKind
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request, unit_of
from persongen_bench.core.roles import open_role
from persongen_bench.core.truth import KnownContent
from persongen_bench.core.types import (
    Description,
    Embeddings,
    Image,
    Rows,
    ScoreMatrix,
    Unit,
    content_hash,
)
from persongen_bench.loop.encoding import Pictures
from persongen_bench.loop.held_pictures import HeldPictures
from persongen_bench.loop.kept import kept
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.true_taste import Tastes
from persongen_bench.loop.world import World

T = TypeVar("T")


@dataclass
class Evaluation:
    """Implements `metric.ScoreContext`; each image is encoded once per model."""

    world: World
    all_samples: pd.DataFrame
    """Every planned sample in canonical order: ``sample_id, user_id, index, state, pixel_hash``."""
    requests: Mapping[str, Request]
    """Sample id => what was asked for."""
    open_image: Callable[[str, str], Image]
    """Sample id and pixel hash => the image."""
    unit: Unit = "user"
    """What is resampled for intervals."""
    open_output: Callable[[str, str], Any] | None = None
    """Sample id and digest => what the method answered with; None where that is the image."""
    kind: OutputKind = IMAGE
    """Of the answers."""
    progress: Progress = no_progress
    targets: Mapping[str, str] = field(default_factory=dict)
    """Sample id => item id of what came next in truth, where known."""
    instruments: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """Those in memory; evaluations of one world may share them."""
    _memo: dict[str, Any] = field(default_factory=dict)
    _held: HeldPictures[int] = field(default_factory=HeldPictures, init=False)

    @classmethod
    def of_run(
        cls, run: RunDirectory, world: World, progress: Progress = no_progress
    ) -> Evaluation:
        """The images of a run, each checked against the journal when it is opened.

        What a journal says to be ``unscored`` was the method's word, and counts as its error.
        """
        asked = world.asked(run.config)
        samples = run.outcomes(asked.samples)
        samples["state"] = samples["state"].replace("unscored", "method_error")
        return cls(
            world, samples, asked.request_of, run.read_image, open_output=run.read_output,
            kind=run.kind, unit=asked.unit, progress=progress, targets=asked.target_of,
        )  # fmt: skip

    @cached_property
    def planned(self) -> pd.DataFrame:
        """`all_samples` with the request and the unit of each: ``request_id, unit``."""
        asked = [self.requests[str(sample)] for sample in self.all_samples["sample_id"]]
        units = [unit_of(request, self.unit) for request in asked]
        return self.all_samples.assign(request_id=[own.request_id for own in asked], unit=units)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Samples in state ok, canonical order."""
        return self.planned[self.planned["state"] == "ok"].reset_index(drop=True)

    @property
    def complete(self) -> bool:
        """Whether every planned sample was delivered."""
        return len(self.samples) == len(self.all_samples)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Every unit that something was asked for, sorted."""
        return tuple(sorted({unit_of(request, self.unit) for request in self.requests.values()}))

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Every user that something was asked for, sorted."""
        return tuple(sorted({request.user_id for request in self.requests.values()}))

    @property
    def train(self) -> View:
        """The training view."""
        return self.world.train

    @property
    def test(self) -> View:
        """The held-out view."""
        return self.world.test

    @property
    def catalogue_ids(self) -> Sequence[str]:
        """Every item of the data set."""
        return self.world.dataset.catalog.ids

    @cached_property
    def histories(self) -> Mapping[str, tuple[str, ...]]:
        """Sample id => the history of its request."""
        return {sample: request.history for sample, request in self.requests.items()}

    @cached_property
    def n_asked(self) -> Mapping[str, int]:
        """Samples asked for per unit, without those our instrument failed on."""
        asked = self.planned[~self.planned["state"].isin(["unscored", "pending"])]
        return {str(unit): int(n) for unit, n in asked["unit"].value_counts().items()}

    @cached_property
    def references(self) -> Mapping[str, str]:
        """Sample id => item id of the request's reference, where it has one."""
        return {s: r.reference for s, r in self.requests.items() if r.reference is not None}

    @cached_property
    def instructions(self) -> Mapping[str, str]:
        """Sample id => the request's instruction, where it has one."""
        return {s: r.instruction for s, r in self.requests.items() if r.instruction is not None}

    @property
    def content(self) -> KnownContent | None:
        """Tells what pictures are of."""
        return self.world.dataset.content

    def images(self, rows: Rows) -> list[Image]:
        """The images in these rows of `samples`."""
        named = self._named
        return self._held.get(list(rows), lambda new: [self.open_image(*named[k]) for k in new])

    @cached_property
    def _named(self) -> list[tuple[str, str]]:
        """Sample id and pixel hash of each of `samples`."""
        columns = (map(str, self.samples[name]) for name in ("sample_id", "pixel_hash"))
        return list(zip(*columns, strict=True))

    @property
    def _pictures(self) -> Pictures:
        return Pictures(self.images, lambda k: f"sample {self._named[k][0]}")

    def outputs(self, rows: Rows) -> list[Any]:
        """What the method answered with in these rows of `samples`."""
        if self.open_output is None:
            return self.images(rows)
        digests = map(str, self.samples["digest"].iloc[list(rows)])
        return [self.open_output(self._named[k][0], d) for k, d in zip(rows, digests, strict=True)]

    def item_images(self, item_ids: Sequence[str]) -> list[Image]:
        """Catalogue images."""
        return self.world.features.images(item_ids)

    def features(self, role: str, rows: Rows | None = None) -> Embeddings:
        """``(n samples, d)``, kept while the evaluation lasts; or of some rows."""
        if rows is not None:
            chosen = [self._named[k][1] for k in rows]
            return self.world.store.rows(role, chosen, self._pictures.at(rows))
        seen = [digits for _, digits in self._named], self._pictures
        return self.memo(f"features {role}", lambda: self.world.store.rows(role, *seen))

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """Features of catalogue items."""
        return self.world.features.rows(role, item_ids)

    def text_features(self, role: str, texts: Sequence[str]) -> Embeddings:
        """``(n texts, d)``; each text is encoded once."""
        return self.world.store.texts(role, texts)

    def descriptions(self, role: str = "captioner") -> list[Description]:
        """What the captioner says about the images."""
        seen = [digits for _, digits in self._named], self._pictures
        return self.memo(f"words {role}", lambda: self.world.store.describe(role, *seen))

    def item_descriptions(
        self, item_ids: Sequence[str], role: str = "captioner"
    ) -> list[Description]:
        """What the captioner says about catalogue images."""
        return self.world.features.describe(role, item_ids)

    def encoder_signature(self, role: str) -> str:
        """Signature of the model behind a role."""
        return str(self.model(role).signature)

    def model(self, role: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The stack's model for a role."""
        return open_role(self.world.stack, role)

    def memo(self, key: str, make: Callable[[], T]) -> T:
        """Computed once for this set of samples."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast(T, self._memo[key])

    def instrument(
        self, key: Sequence[object], make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """Computed once for this data, and kept in the cache."""
        name = content_hash(*key)
        if name not in self.instruments:
            self.instruments[name] = kept(name, make)
        return self.instruments[name]

    def forget(self) -> None:
        """Give up what was kept in memory; it is computed again where it is asked for."""
        self._memo.clear()
        self._held.clear()

    def taste(self, users: Sequence[str], rows: Rows | None = None) -> ScoreMatrix:
        """True utility of the images, all or some, for these users, asked for or not."""
        seen = (self.world.dataset, self.users, len(self.samples), self.images)
        return self.memo("true taste", lambda: Tastes(*seen)).of(users, rows)

    @property
    def taste_signature(self) -> str | None:
        """Signature of the taste reader."""
        taste = self.world.dataset.taste
        return None if taste is None else taste.signature
