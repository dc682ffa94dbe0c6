"""The seam of metrics: what a metric is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.request import Request
from persongen_bench.core.types import (
    Description,
    Direction,
    Embeddings,
    Image,
    Rows,
    ScoreMatrix,
)

T = TypeVar("T")


@dataclass(frozen=True)
class TestResult:
    """A permutation p-value, ``(1 + k) / (B + 1)``, with the observed statistic."""

    __test__ = False

    statistic: float
    p_value: float
    n_permutations: int


class ScoreContext(Protocol):
    """What a metric may look at: the scored samples, their features, and the held-out part."""

    @property
    def samples(self) -> pd.DataFrame:
        """Samples in state ok, canonical order: ``sample_id, request_id, unit, user_id, index``.

        ``unit``: what the sample's value is a value of (`request.unit_of`).
        """
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit of the protocol, sorted, also those without a scored sample."""
        ...

    @property
    def users(self) -> tuple[str, ...]:
        """Every user of the protocol; the same as `units` where the unit is the user."""
        ...

    @property
    def requests(self) -> Mapping[str, Request]:
        """Sample id => the request it answers."""
        ...

    @property
    def train(self) -> View:
        """The training view."""
        ...

    @property
    def test(self) -> View:
        """The held-out view."""
        ...

    @property
    def histories(self) -> Mapping[str, tuple[str, ...]]:
        """Sample id => the history of its request (item ids of the training catalogue)."""
        ...

    @property
    def n_asked(self) -> Mapping[str, int]:
        """Per unit the samples asked for: delivered, or not through the method's fault."""
        ...

    @property
    def references(self) -> Mapping[str, str]:
        """Sample id => item id of the request's reference; samples without one are not in it."""
        ...

    @property
    def instructions(self) -> Mapping[str, str]:
        """Sample id => the request's instruction; samples without one are not in it."""
        ...

    def images(self, rows: Rows) -> list[Image]:
        """The generated images in these rows of `samples`; ask for one request's at a time."""
        ...

    def outputs(self, rows: Rows) -> list[Any]:
        """What the method answered with in these rows, of the run's kind of output.

        The images themselves where images were asked for.
        """
        ...

    def item_images(self, item_ids: Sequence[str]) -> list[Image]:
        """Catalogue images."""
        ...

    def features(self, role: str, rows: Rows | None = None) -> Embeddings:
        """``(n samples, d)`` of the generated images; each image is encoded once per role.

        ``role`` may name a variant, ``inception/clean`` (`roles.open_role`), here and below.
        ``rows``: of these rows of `samples` only. Ask so where ``d`` is large (LPIPS vectors have
        up to millions of numbers).
        """
        ...

    def item_features(self, role: str, item_ids: Sequence[str]) -> Embeddings:
        """``(n items, d)`` of catalogue images."""
        ...

    def text_features(self, role: str, texts: Sequence[str]) -> Embeddings:
        """``(n texts, d)`` in the space of the role's images; each text is encoded once."""
        ...

    def descriptions(self, role: str = "captioner") -> list[Description]:
        """What the captioner says about each generated image; each is described once."""
        ...

    def item_descriptions(
        self, item_ids: Sequence[str], role: str = "captioner"
    ) -> list[Description]:
        """What the captioner says about catalogue images."""
        ...

    def encoder_signature(self, role: str) -> str:
        """Signature of the model behind a role."""
        ...

    def memo(self, key: str, make: Callable[[], T]) -> T:
        """``make()``, computed once for this set of samples however many metrics ask."""
        ...

    def instrument(
        self, key: Sequence[object], make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """``make()``, kept on disk across runs: what a metric learns from the data alone.

        ``key`` (JSON-serialisable) must name everything that changes the result: the data
        (``train.hash``), the encoder's signature, the configuration, the code's version.
        """
        ...

    def taste_matrix(self) -> ScoreMatrix:
        """``(n samples, n users)``: true utility of sample i for user u, where it is known."""
        ...

    @property
    def taste_signature(self) -> str | None:
        """Signature of the taste reader, None where the true taste is unknown."""
        ...


@dataclass(frozen=True)
class MetricInfo:
    """The card of one metric."""

    name: str
    """Printed form, also the CLI argument and the column, such as ``precision@20``."""
    family: str
    direction: Direction
    range: tuple[float, float]
    unit: str
    source: str
    roles: tuple[str, ...] = ()
    """Models it looks through, variants included (``inception/clean``)."""
    level: Literal["user", "set"] = field(default="user", kw_only=True)
    """``user``: a mean of per-unit numbers. ``set``: one number of all images together, such as a
    Frechet distance; its per-unit values are the number plus the unit's jackknife influence, so
    that their mean is the number and their spread gives its interval (they may leave the range)."""
    reads: str = field(default="image", kw_only=True)
    """Kind of output it reads: ``image``, ``ranking`` or ``adapter``; a metric of images also reads
    those drawn with an adapter."""
    personal: bool = field(default=False, kw_only=True)
    """Compares users' tastes, and so needs the unit ``user``."""
    known_taste: bool = field(default=False, kw_only=True)
    """Needs the world's truth (`ScoreContext.taste_matrix`)."""
    failed_value: float | None = field(default=None, kw_only=True)
    """What a sample that the method failed to deliver counts; None where images have no value."""
    shows_not: str = field(default="", kw_only=True)
    """What the number does not show."""


class Metric(Protocol):
    """A pure function of scored samples and features: per unit first, summary second.

    It may also be `Parametrised`, have caveats (`HasCaveats`), or be a `TasteInstrument`.
    """

    info: MetricInfo

    @classmethod
    def parse(cls, argument: str | None) -> Metric:
        """Build from the part behind ``@`` (None where there is none)."""
        ...

    def signature(self, context: ScoreContext) -> str:
        """Everything that fixes the number, ``precision@20|enc:...|sim:cosine|impl:1``."""
        ...

    def per_unit(self, context: ScoreContext) -> pd.Series:
        """One float per unit, indexed by ``context.units``; NaN where undefined."""
        ...


@runtime_checkable
class Parametrised(Protocol):
    """A metric class that takes an argument; without these its printed form is its bare name."""

    arguments: ClassVar[tuple[str, ...]]
    """The usual ones, for cards and "all"; ``""`` where none is needed."""
    example: ClassVar[str]
    """One that works in any world, for contract tests."""


@runtime_checkable
class HasCaveats(Protocol):
    """A metric with warnings to print beside its number, such as a sample too small for it."""

    def caveats(self, context: ScoreContext) -> Sequence[str]:
        """One sentence each; none where there is nothing to mind."""
        ...


@runtime_checkable
class TasteInstrument(Protocol):
    """A metric that scores every sample for every user, as permutation tests need it."""

    def matrix(self, context: ScoreContext) -> ScoreMatrix:
        """``(n samples, n users)`` score of sample i for user u; NaN columns where unknown."""
        ...


def caveats_of(metric: Metric, context: ScoreContext) -> tuple[str, ...]:
    """What to mind about the number; nothing of a metric without caveats."""
    return tuple(metric.caveats(context)) if isinstance(metric, HasCaveats) else ()
