"""The seam of metrics: what a metric is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from persongen_bench.core.dataset import View
from persongen_bench.core.later import pd
from persongen_bench.core.metric_info import MetricInfo as MetricInfo  # imported from here
from persongen_bench.core.request import Request
from persongen_bench.core.truth import KnownContent
from persongen_bench.core.types import Description, Embeddings, Image, Rows, ScoreMatrix

T = TypeVar("T")


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
        """Sample id => the request it answers, of every planned sample, delivered or not."""
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
    def catalogue_ids(self) -> Sequence[str]:
        """Every item of the data set, in the catalogue's order, in whichever part of the split."""
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

    @property
    def targets(self) -> Mapping[str, str]:
        """Sample id => item id of what came next in truth (`Request.target`), where known."""
        ...

    @property
    def content(self) -> KnownContent | None:
        """Tells what pictures are of; None where nobody knows."""
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

    def model(self, role: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model behind a role, for what is no encoding: a question to ``llm`` or ``lmm``."""
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

    def taste(self, users: Sequence[str], rows: Rows | None = None) -> ScoreMatrix:
        """``(n samples, n users asked)``: true probability that each likes sample i.

        ``rows``: of these samples alone. Only where the true taste is known. Ask for a block of
        users at a time.
        """
        ...

    @property
    def taste_signature(self) -> str | None:
        """Signature of the taste reader, None where the true taste is unknown."""
        ...


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
        """One float per unit, indexed by ``context.units``; NaN where undefined.

        The data and the request decide for whom it is defined: a unit with nothing delivered is
        NaN here and counts `MetricInfo.failed_value` where the metric is defined for it.
        """
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

    def signature(self, context: ScoreContext) -> str:
        """As `Metric.signature`."""
        ...

    def scores(self, context: ScoreContext, users: Sequence[str]) -> ScoreMatrix:
        """``(n samples, n users asked)`` score of sample i for each of these users, in [0, 1].

        Probabilities of a like, or likes as 0 and 1. A user who cannot judge is NaN throughout.
        It is asked for blocks of users, so that no table of all users need be held.
        """
        ...


@runtime_checkable
class PublishedInstrument(Protocol):
    """A `TasteInstrument` that a paper tests with in another way than its own `scores`.

    Where the published judge has seen the very ratings that methods learn from, its scores call a
    copier of a user's likes personal. A metric has the fair scores, and offers both for tests.
    """

    def published(self) -> TasteInstrument:
        """By a judge that has seen every training rating, as published."""
        ...

    def unseen(self) -> TasteInstrument:
        """By judges that have not: the metric's own `scores`, with a signature of their own."""
        ...


def caveats_of(metric: Metric, context: ScoreContext) -> tuple[str, ...]:
    """What to mind about the number; nothing of a metric without caveats."""
    return tuple(metric.caveats(context)) if isinstance(metric, HasCaveats) else ()
