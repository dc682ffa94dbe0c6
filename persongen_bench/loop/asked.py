"""What a run asks: the samples of its track, and the references that were opened for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from persongen_bench.core.errors import DataError
from persongen_bench.core.request import Request, Sample, plan_samples
from persongen_bench.core.roles import Adapter
from persongen_bench.core.track import AskedWorld, Track, open_track
from persongen_bench.core.types import Catalog, Image, Unit
from persongen_bench.core.zoo import ModelZoo
from persongen_bench.loop.schema import RunConfig


@dataclass
class References:
    """Opens the references of a run and counts how often; it can open nothing else."""

    catalog: Catalog
    opened: Counter[str] = field(default_factory=Counter)
    """Item id => times that a method looked at it."""

    def __call__(self, item_id: str) -> Image:
        """The picture of a reference; raises `DataError` for any other item."""
        (image,) = self.catalog.images([item_id])
        self.opened[item_id] += 1
        return image


@dataclass(frozen=True)
class Models:
    """Opens the models that a run asks to edit, and nothing else."""

    zoo: ModelZoo

    def __call__(self, model_id: str) -> Adapter:
        """A model of a request; raises `DataError` for any other."""
        (adapter,) = self.zoo.open([model_id])
        return adapter


@dataclass(frozen=True)
class Asked:
    """Everything that a run asks, in canonical order."""

    track: Track
    requests: tuple[Request, ...]
    samples: tuple[Sample, ...]
    """The answers to make, request by request."""
    references: References
    targets: Mapping[str, str] = field(default_factory=dict)
    """Request id => `Request.target`: for metrics and privileged anchors alone."""

    @cached_property
    def by_id(self) -> Mapping[str, Sample]:
        """Sample id => the sample."""
        return {sample.sample_id: sample for sample in self.samples}

    @cached_property
    def request_of(self) -> Mapping[str, Request]:
        """Sample id => the request it answers."""
        return {sample.sample_id: sample.request for sample in self.samples}

    @cached_property
    def target_of(self) -> Mapping[str, str]:
        """Sample id => the target of its request, where it has one."""
        ids = ((sample.sample_id, sample.request.request_id) for sample in self.samples)
        return {one: self.targets[asked] for one, asked in ids if asked in self.targets}

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Everybody something is asked for, sorted."""
        return tuple(sorted({request.user_id for request in self.requests}))

    @property
    def unit(self) -> Unit:
        """What numbers are compared over."""
        return self.track.unit

    def named(self, sample_ids: Iterable[str]) -> list[Sample]:
        """The samples of these ids, in their order."""
        return [self.by_id[sample_id] for sample_id in sample_ids]


def ask(world: AskedWorld, config: RunConfig) -> Asked:
    """What the run's track asks of its world.

    Raises `DataError` where a history leaves the training catalogue or a reference the data set.
    """
    track = open_track(config.track)
    requests = requests_of(track, world, config.n_images, config.n_history)
    wanted = {request.reference for request in requests if request.reference is not None}
    references = References(world.dataset.catalog.subset(wanted))
    models = _models(world, requests)
    asked = tuple(
        replace(
            request,
            opener=references if request.reference else None,
            target=None,
            model_opener=models if request.model else None,
        )
        for request in requests
    )
    samples = tuple(plan_samples(config.protocol(), asked))
    targets = {r.request_id: r.target for r in requests if r.target is not None}
    return Asked(track, asked, samples, references, targets)


def _models(world: AskedWorld, requests: Sequence[Request]) -> Models | None:
    wanted = {request.model for request in requests if request.model is not None}
    if not wanted:
        return None
    if world.dataset.models is None:
        raise DataError(f"dataset {world.dataset.name} has no models to edit")
    return Models(world.dataset.models.subset(wanted))


def requests_of(track: Track, world: AskedWorld, n_images: int, n_history: int) -> list[Request]:
    """The requests of a track, checked."""
    requests = list(track.requests(world, n_images, n_history))
    _check_histories(world, requests)
    return requests


def _check_histories(world: AskedWorld, requests: Sequence[Request]) -> None:
    known = set(world.train.catalog.ids)
    for request in requests:
        hidden = next((item for item in request.history if item not in known), None)
        if hidden is not None:
            raise DataError(
                f"the history of user {request.user_id!r} holds item {hidden!r}, which is not in "
                "the training catalogue",
                fix="A track gives histories of training items; only a reference may be held out.",
            )
