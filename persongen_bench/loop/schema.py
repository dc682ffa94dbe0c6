"""What a run directory's files hold: versioned, strict models (`loop.documents` reads them)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.registry import LOCAL
from persongen_bench.core.types import Unit, content_hash
from persongen_bench.loop.documents import SCHEMA_VERSION

NOT_RANKED = "Not ranked: "
"""Begins a note that takes its run out of the ranking."""
LEAKS = "Leaks: "
"""Begins the note of a run whose split does not keep what it promises; boards print it first."""


class DatasetRef(Config):
    """Which data: name, options as given, and the content they resolved to."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    root: str | None = Field(default=None, exclude=True)
    """Where it lies on this machine. Never written: the path is nobody else's business (files of
    version 2 hold one). Not part of the run's identity."""
    revision: str
    split: str
    split_seed: int
    split_hash: str
    notes: tuple[str, ...] = ()
    """What the data set's card says of numbers made with it; not part of the run's identity."""


class Budget(Config):
    """What was tried before a configuration was chosen (`pgbench search`)."""

    grid: dict[str, tuple[Any, ...]]
    """Option => the values that were tried."""
    n_tried: int = Field(ge=1)
    """Configurations that were tried, those whose fit was refused among them."""
    chosen_by: str
    """What was smallest, such as ``validation loss on tasteworld``."""


class MethodRef(Config):
    """Which method, from which distribution, with its full configuration."""

    name: str
    distribution: str
    version: str
    config: dict[str, Any]
    label: str
    """Printed name: the method plus the config values set by the user."""
    anchor: bool = False
    """Anchors are shown on boards and never ranked."""
    external: bool = False
    """True where the images were made elsewhere (`pgbench score`)."""
    budget: Budget | None = None
    """Of the search that chose the configuration; not part of the run's identity."""

    @property
    def local(self) -> bool:
        """Whether its code is in no package: defined in a notebook or a script."""
        return self.distribution == LOCAL


class StackRef(Config):
    """Which frozen models."""

    name: str
    signature: str
    lora: str | None = None
    """Digest of the LoRA in the decoder's weights (`LoraLayers.digest`); None: it has none."""


class RunConfig(Config):
    """The identity of a run: (track, dataset, method, stack, seed) and its protocol."""

    schema_version: int = SCHEMA_VERSION
    track: str
    board: str
    dataset: DatasetRef
    method: MethodRef
    stack: StackRef
    seed: int = Field(ge=0)
    n_images: int = Field(ge=0)
    n_history: int = Field(ge=0)
    metrics: tuple[str, ...]
    code: str
    """Hash of the code that touches a result (`fit.code_of`); ``external`` for answers made
    elsewhere."""
    output: str = "image"
    """Kind of the answers; follows from the track."""
    unit: Unit = "user"
    """What intervals and tests are over; follows from the track."""
    threads: int = 1
    """Threads of every numerical call; fixed, because it may move the last bit."""
    created: str = ""
    """When the run was begun (UTC, ISO 8601); not part of its identity."""
    permute: tuple[str, ...] = ()
    """Instruments that the permutation tests are made with besides the board's; not part of the
    run's identity."""
    permute_images: int | None = None
    """Images of every user, by index, that these tests take; None: all."""
    taste: str | None = None
    """The board's metric whose instrument is tested unasked; None: the first that has one."""
    pseudonyms: str | None = None
    """Which key (`Pseudonyms.fingerprint`) the names of users, requests and samples in the
    directory were made with; None: they are those of the data. The numbers are the same."""

    _NOT_IDENTITY: ClassVar = (
        "threads", "metrics", "schema_version", "created", "output", "unit", "pseudonyms",
        "permute", "permute_images", "taste",
    )  # fmt: skip

    @property
    def run_id(self) -> str:
        """Content hash of what can change a sample: not of the folder, threads or metrics.

        A run with pseudonyms is another one than that without, since its files are.
        """
        plain = self._hash()
        return plain if self.pseudonyms is None else content_hash(plain, self.pseudonyms)

    @property
    def dice(self) -> str:
        """The run's id but for its code: what the random numbers of intervals and tests hang on.

        The same images keep their intervals and p values when the code is only moved about.
        """
        return self._hash("code")

    def _hash(self, *left_out: str) -> str:
        document = self.model_dump(mode="json", exclude={*self._NOT_IDENTITY, *left_out})
        document["dataset"].pop("notes")
        document["method"].pop("budget")
        if self.stack.lora is None:  # runs of before version 4 keep their identity
            document["stack"].pop("lora")
        return content_hash(document)

    def scored_by(self, other: RunConfig) -> RunConfig:
        """This run with the metrics and the tests of ``other``.

        It keeps the instruments that it was tested with where the other names none.
        """
        asked = other if other.permute else self
        return self.model_copy(update={
            "metrics": other.metrics, "taste": other.taste,
            "permute": asked.permute, "permute_images": asked.permute_images,
        })  # fmt: skip

    def protocol(self) -> dict[str, Any]:
        """What every method's samples share: the same ids and seeds for all methods."""
        return {
            "dataset": self.dataset.revision,
            "split": self.dataset.split_hash,
            "track": self.track,
            "seed": self.seed,
        }


class MetricSummary(Config):
    """One number with its user-clustered 95% interval."""

    mean: float | None
    low: float | None
    high: float | None
    n_units: int
    signature: str
    caveats: tuple[str, ...] = ()
    """What a reader must know of this very number, such as too small a sample."""
    own_judge: bool = False
    """True where the method used weights of this metric's models in fit or selection."""


class Null(Config):
    """What the statistic was over the permutations."""

    mean: float
    sd: float
    quantiles: dict[str, float]
    """At 0.025, 0.5 and 0.975."""
    edges: tuple[float, ...]
    """Of the histogram's bins, from the smallest to the largest value."""
    counts: tuple[int, ...]
    """Permutations in each, one fewer than edges."""


class TestSummary(Config):
    """One permutation test."""

    __test__ = False

    statistic: float
    p_value: float
    n_permutations: int
    reading: str = ""
    """How the statistic summarises users and images; empty: of before version 5."""
    instrument: str = ""
    """Printed name of who scored the images."""
    signature: str = ""
    """Of the instrument."""
    n_images: int | None = None
    """Images that took part."""
    null: Null | None = None
    """None: of before version 5."""

    @property
    def z(self) -> float | None:
        """Observed less null mean, in standard deviations of the null; None where that is 0."""
        if self.null is None or self.null.sd == 0:
            return None
        return (self.statistic - self.null.mean) / self.null.sd


class Summary(Config):
    """The results of a complete run; holds no time, host or path."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    n_expected: int
    n_ok: int
    states: dict[str, int]
    metrics: dict[str, MetricSummary]
    tests: dict[str, TestSummary] = Field(default_factory=dict)
    """``permutation.block`` and ``permutation.image`` by the board's taste instrument; those of
    other instruments end in ``@INSTRUMENT`` (`loop.tested`)."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the answers as a whole, such as pictures of another size."""
