"""What a run directory's files hold: versioned, strict models with migrations.

`SCHEMA_VERSION` rises whenever a file changes shape. A file of an older version is migrated when
it is read (see `MIGRATIONS`); one from the future is refused with what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field, ValidationError

from persongen_bench.core.config import Config
from persongen_bench.core.errors import RunError
from persongen_bench.core.registry import LOCAL
from persongen_bench.core.types import Unit, content_hash

SCHEMA_VERSION = 4


def _units(document: dict[str, Any]) -> dict[str, Any]:
    """Version 2 counts units, which were always users, and knows kinds of output."""
    metrics = (
        {
            name: {("n_units" if key == "n_users" else key): value for key, value in number.items()}
            for name, number in document.get("metrics", {}).items()
        }
        if isinstance(document.get("metrics"), dict)
        else document.get("metrics")
    )
    renamed = {} if metrics is None else {"metrics": metrics}
    return {**document, **renamed, "schema_version": 2}


def _private(document: dict[str, Any]) -> dict[str, Any]:
    """Version 3 keeps the place of the data out of the file, knows pseudonyms, and has notes."""
    return {**document, "schema_version": 3}


def _lora(document: dict[str, Any]) -> dict[str, Any]:
    """Version 4 knows a LoRA in the decoder, which no older run has."""
    return {**document, "schema_version": 4}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _units, 2: _private, 3: _lora,
}  # fmt: skip
"""``MIGRATIONS[v]`` turns a document of version v into one of version v + 1."""


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
    pseudonyms: str | None = None
    """Which key (`Pseudonyms.fingerprint`) the names of users, requests and samples in the
    directory were made with; None: they are those of the data. The numbers are the same."""

    _NOT_IDENTITY: ClassVar = (
        "threads", "metrics", "schema_version", "created", "output", "unit", "pseudonyms",
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
        if self.stack.lora is None:  # runs of before version 4 keep their identity
            document["stack"].pop("lora")
        return content_hash(document)

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


class TestSummary(Config):
    """One permutation test."""

    __test__ = False

    statistic: float
    p_value: float
    n_permutations: int


class Summary(Config):
    """The results of a complete run; holds no time, host or path."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    n_expected: int
    n_ok: int
    states: dict[str, int]
    metrics: dict[str, MetricSummary]
    tests: dict[str, TestSummary] = Field(default_factory=dict)
    """``permutation.block`` and ``permutation.image`` for the board's taste instrument."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the answers as a whole, such as pictures of another size."""


M = TypeVar("M", bound=Config)


def parse(model: type[M], document: dict[str, Any], where: Path) -> M:
    """Migrate and validate a document; errors name the file, the field and the fix."""
    version = document.get("schema_version")
    if not isinstance(version, int):
        raise RunError(f"{where}: no schema_version, expected {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {version} is newer than this program's {SCHEMA_VERSION}",
            fix="Upgrade persongen-bench to read it.",
        )
    while document["schema_version"] < SCHEMA_VERSION:
        document = MIGRATIONS[document["schema_version"]](document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{where}: field {field!r}: {first['msg']}", fix="Restore the file or run again."
        ) from None


def read(model: type[M], path: Path) -> M:
    """Read one JSON file as ``model``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file", fix="Is this a run directory?") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path}: not valid JSON ({error})", fix="Run again.") from None
    if not isinstance(document, dict):
        raise RunError(f"{path}: expected a JSON object")
    return parse(model, document, path)
