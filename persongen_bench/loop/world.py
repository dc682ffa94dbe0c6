"""A world: data, split and stack by name, loaded; every run on it shares what is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.dataset import Dataset, Split, View
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.request import Request
from persongen_bench.core.stack import Stack
from persongen_bench.core.track import open_track
from persongen_bench.datasets.supports import with_new_people
from persongen_bench.loop import loras
from persongen_bench.loop.asked import Asked, ask, requests_of
from persongen_bench.loop.choice import Options, make_config
from persongen_bench.loop.features import CatalogFeatures, FeatureStore
from persongen_bench.loop.schema import RunConfig
from persongen_bench.util.files import cache_root, data_root


@dataclass(frozen=True)
class WorldRef:
    """Names of a world: which data, divided how, seen through which stack."""

    dataset: str
    stack: str
    options: Options
    root: Path | None = None
    split: str | None = None
    split_seed: int = 0
    lora: Path | None = None
    """A file whose LoRA the stack's decoder draws with; see `persongen_bench.stacks.with_lora`."""


@dataclass(frozen=True)
class World:
    """A loaded data set with its split and stack; shared by every run on it."""

    ref: WorldRef
    dataset: Dataset
    split: Split
    stack: Stack
    progress: Progress = no_progress
    lora: str | None = None
    """Digest of the LoRA in the stack's decoder; None: it has none."""
    domains: dict[tuple[object, ...], frozenset[str]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """For whom metrics are defined (`standin.defined`), the same for every run on this world."""
    _asked: dict[tuple[object, ...], Asked] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def train(self) -> View:
        """What methods see."""
        return self.dataset.train_view(self.split)

    @cached_property
    def validation(self) -> View | None:
        """What methods that declare it choose their settings by; None: the split has no such."""
        return self.dataset.validation_view(self.split)

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

    def asked(self, config: RunConfig) -> Asked:
        """What a run on this world asks; made once for all runs that ask the same."""
        key = (self.split.hash, config.track, config.seed, config.n_images, config.n_history)
        if key not in self._asked:
            self._asked[key] = ask(self, config)
        return self._asked[key]

    def requests(self, track: str, n_images: int, n_history: int) -> list[Request]:
        """What a track asks of this world."""
        return requests_of(open_track(track), self, n_images, n_history)


def load_data(name: str, options: Options, root: Path | None = None) -> Dataset:
    """A data set from ``root``, by default from where it usually lies; loaded and checked."""
    loader = registry.get("datasets", name)
    config = make_config(loader.Config, options, f"dataset {name}")
    dataset: Dataset = loader.load(config, root or data_root(name))
    return dataset


def load_world(ref: WorldRef, progress: Progress = no_progress) -> World:
    """Load data, split it and open the stack; every user error is one line."""
    dataset = with_new_people(load_data(ref.dataset, ref.options, ref.root))
    stack = registry.get("stacks", ref.stack)()
    split = dataset.split(ref.split, ref.split_seed)
    if ref.lora is None:
        return World(ref, dataset, split, stack, progress)
    lora, adapted = loras.open_with(stack, ref.lora)
    return World(ref, dataset, split, adapted, progress, lora=lora)


def reopen_world(
    config: RunConfig, root: Path | None, progress: Progress, lora: Path | None = None
) -> World:
    """The world of an existing run; refuses data and a LoRA that are not what they were.

    ``lora``: where the LoRA of the run lies; None: what the cache keeps of it.
    """
    kept = None if config.dataset.root is None else Path(config.dataset.root)
    ref = WorldRef(
        dataset=config.dataset.name,
        stack=config.stack.name,
        options=config.dataset.options,
        root=root or kept,
        split=config.dataset.split,
        split_seed=config.dataset.split_seed,
        lora=lora or loras.kept(config.stack.lora),
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
