"""From names and options to a world (data, split, stack) and a method that can be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from persongen_bench.core import registry
from persongen_bench.core.config import Config
from persongen_bench.core.dataset import Dataset, Split, View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.method import Method
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request, Sample, plan_samples
from persongen_bench.core.stack import Stack
from persongen_bench.loop.features import CatalogFeatures, FeatureStore
from persongen_bench.loop.schema import DatasetRef, MethodRef, RunConfig, StackRef
from persongen_bench.util.files import cache_root, data_root

Options = Mapping[str, object]


@dataclass(frozen=True)
class WorldRef:
    """Names of a world: which data, divided how, seen through which stack."""

    dataset: str
    stack: str
    options: Options
    root: Path | None = None
    split: str | None = None
    split_seed: int = 0


@dataclass(frozen=True)
class World:
    """A loaded data set with its split and stack; shared by every run on it."""

    ref: WorldRef
    dataset: Dataset
    split: Split
    stack: Stack
    progress: Progress = no_progress

    @cached_property
    def train(self) -> View:
        """What methods see."""
        return self.dataset.train_view(self.split)

    @cached_property
    def test(self) -> View:
        """What metrics and privileged anchors see besides."""
        return self.dataset.test_view(self.split)

    @cached_property
    def features(self) -> CatalogFeatures:
        """What the models say about the whole catalogue."""
        return CatalogFeatures(self.dataset.catalog, self.store, cache_root() / "features")

    @cached_property
    def store(self) -> FeatureStore:
        """What the stack's models said about any image so far."""
        return FeatureStore(cache_root() / "features", self.stack, self.progress)

    def requests(self, n_images: int, n_history: int) -> list[Request]:
        """One request per user with held-out data; history = the last liked training items."""
        likes = self.train.liked_items
        return [
            Request(user, history=likes.get(user, ())[-n_history:] if n_history else (),
                    n_images=n_images)
            for user in self.test.users
        ]  # fmt: skip


def load_world(ref: WorldRef, progress: Progress = no_progress) -> World:
    """Load data, split it and open the stack; every user error is one line."""
    loader = registry.get("datasets", ref.dataset)
    config = make_config(loader.Config, ref.options, f"dataset {ref.dataset}")
    dataset = loader.load(config, ref.root or data_root(ref.dataset))
    stack = registry.get("stacks", ref.stack)()
    return World(ref, dataset, dataset.split(ref.split, ref.split_seed), stack, progress)


def make_config(model: type[Config], options: Options, owner: str) -> Any:  # noqa: ANN401  # the model's type
    """Validate options; an unknown or bad one is named with what was expected."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(str(part) for part in first["loc"])
        known = ", ".join(model.model_fields)
        raise ConfigError(
            f"{owner}: option {option!r} = {options.get(option)!r}: {first['msg']}",
            fix=f"Options are: {known}.",
        ) from None


@dataclass(frozen=True)
class MethodChoice:
    """A method by name, a preset (else a preferred one) and options."""

    name: str
    preset: str | None = None
    options: Options = field(default_factory=dict)
    prefer: tuple[str, ...] = ()
    """Presets to use where the user named none: the first of these that the method has."""
    shown: str | None = None
    """Printed name, where it is not the method with its options."""

    def build(self) -> Method:
        """The configured, unfitted method."""
        cls = registry.get("methods", self.name)
        values = {**self._preset(cls), **self.options}
        method: Method = cls(make_config(cls.Config, values, f"method {self.name}"))
        return method

    def _preset(self, cls: type[Method]) -> Options:
        if self.preset is None:
            return next((cls.presets[name] for name in self.prefer if name in cls.presets), {})
        if self.preset not in cls.presets:
            raise ConfigError(
                f"method {self.name} has no preset {self.preset!r}",
                fix=f"Presets are: {', '.join(cls.presets) or 'none'}.",
            )
        return cls.presets[self.preset]

    @property
    def label(self) -> str:
        """Printed name: the method with what the user set."""
        if self.shown is not None:
            return self.shown
        said = [f"{key}={value}" for key, value in sorted(self.options.items())]
        if self.preset is not None and self.preset not in self.prefer:
            said.insert(0, f"preset={self.preset}")
        return f"{self.name}[{','.join(said)}]" if said else self.name

    def ref(self, method: Method, *, anchor: bool) -> MethodRef:
        """How a run directory records it."""
        distribution = registry.entries("methods")[self.name].distribution
        return MethodRef(
            name=self.name,
            distribution=distribution,
            version=version(distribution),
            config=method.config.model_dump(mode="json"),
            label=self.label,
            anchor=anchor or method.privileged,
        )


@dataclass(frozen=True)
class Protocol:
    """What every run of a board has in common."""

    board: str
    track: str
    metrics: tuple[str, ...]
    n_images: int
    n_history: int


def dataset_ref(world: World) -> DatasetRef:
    """How a run directory records the data."""
    root = world.ref.root or data_root(world.ref.dataset)
    return DatasetRef(
        name=world.ref.dataset,
        options=dict(world.ref.options),
        root=None if root is None else str(root.resolve()),
        revision=world.dataset.revision,
        split=world.split.name,
        split_seed=world.split.seed,
        split_hash=world.split.hash,
    )


def run_config(
    world: World, protocol: Protocol, method: MethodRef, *, seed: int, code: str, threads: int
) -> RunConfig:
    """The full identity of a run."""
    return RunConfig(
        track=protocol.track,
        board=protocol.board,
        dataset=dataset_ref(world),
        method=method,
        stack=StackRef(name=world.stack.name, signature=world.stack.signature),
        seed=seed,
        n_images=protocol.n_images,
        n_history=protocol.n_history,
        metrics=protocol.metrics,
        code=code,
        threads=threads,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def reopen_world(config: RunConfig, root: Path | None, progress: Progress) -> World:
    """The world of an existing run; refuses data that is not what it was."""
    kept = None if config.dataset.root is None else Path(config.dataset.root)
    ref = WorldRef(
        dataset=config.dataset.name,
        stack=config.stack.name,
        options=config.dataset.options,
        root=root or kept,
        split=config.dataset.split,
        split_seed=config.dataset.split_seed,
    )
    world = load_world(ref, progress)
    found = (world.dataset.revision, world.split.hash, world.stack.signature)
    said = (config.dataset.revision, config.dataset.split_hash, config.stack.signature)
    for name, now, then in zip(("data", "split", "stack"), found, said, strict=True):
        if now != then:
            raise ConfigError(
                f"the {name} of this run changed since it was made ({then} then, {now} now)",
                fix="Restore it (`--data` names the folder), or make a new run.",
            )
    return world


def plan(world: World, config: RunConfig) -> list[Sample]:
    """The samples of a run in canonical order."""
    requests: Sequence[Request] = world.requests(config.n_images, config.n_history)
    return plan_samples(config.protocol(), requests)


def build_method(config: RunConfig) -> Method:
    """The unfitted method of a run."""
    cls = registry.get("methods", config.method.name)
    method: Method = cls(make_config(cls.Config, config.method.config, config.method.name))
    return method


def restore_method(config: RunConfig, world: World, fit: Path, stack: Stack) -> Method:
    """The fitted method of a run; it draws with ``stack``, the world's own or one that notes."""
    method = build_method(config)
    method.load(fit, stack, world.train)
    return method
