"""Anchors that know what came next: the target itself, and the target through the models' eyes.

``Grd`` and ``Recon`` of Pigeon (003, Table 1). They show what a metric says of the truth, and of
the truth as well as the stack can draw it; a data set without targets has neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Catalog, Image
from persongen_bench.methods._items import (
    NoConfig,
    Stateless,
    open_choices,
    read_json,
    write_json,
)


class _TargetAnchor(Stateless, ABC):
    """Keeps which held-out item is each request's target; a subclass makes a picture of it."""

    privileged: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # the test part is all
        """Keep the targets; `ValueError` without the held-out part."""
        if context.held_out is None:
            raise ValueError("an anchor on targets needs the held-out part")
        catalog = context.held_out.catalog
        known = {r: item for r, item in context.targets.items() if item in catalog.items.index}
        self._targets, self._catalog = known, catalog.subset(known.values())
        self._open(context.stack)

    def generate(self, samples: Sequence[Sample]) -> Sequence[Image | Failure]:
        """A picture of each request's target; a request without one is a failure.

        Where that holds for all, `UnsupportedRequestError` is raised.
        """
        chosen = [self._targets.get(sample.request.request_id) for sample in samples]
        if samples and not any(chosen):
            raise UnsupportedRequestError(_no_target(samples[0]))
        choices = [
            item or Failure("method_error", _no_target(sample))
            for item, sample in zip(chosen, samples, strict=True)
        ]
        shown = open_choices(View(self._catalog, pd.DataFrame()), samples, choices)
        return self._made(shown, samples)

    @abstractmethod
    def _made(
        self, shown: Sequence[Image | Failure], samples: Sequence[Sample]
    ) -> Sequence[Image | Failure]:
        """What to deliver for the targets; failures stay where they are."""

    def _open(self, stack: Stack) -> None:
        """Take what the anchor needs of the stack."""

    def save(self, folder: Path) -> None:
        """Store the targets with the catalogue rows they need."""
        write_json(folder, self._targets)
        self._catalog.items.to_parquet(folder / "items.parquet")

    def load(self, folder: Path, stack: Stack, train: View) -> None:
        """Restore the targets; images open through the training catalogue's source."""
        self._targets = {str(r): str(item) for r, item in read_json(folder).items()}
        self._catalog = Catalog(pd.read_parquet(folder / "items.parquet"), train.catalog.source)
        self._open(stack)


@final
class Grd(_TargetAnchor):
    """The target's own picture, the same for all samples of a request; privileged, never ranked."""

    def _made(
        self,
        shown: Sequence[Image | Failure],
        samples: Sequence[Sample],  # noqa: ARG002  # the picture is all
    ) -> Sequence[Image | Failure]:
        return shown


@final
class Recon(_TargetAnchor):
    """The target encoded by ``image_encoder`` and decoded again; privileged, never ranked.

    The ceiling of every method that draws from an embedding. Pigeon's (003, sec. 3.1.2) goes
    through the tokenizer of its language model.
    """

    roles: ClassVar[tuple[str, ...]] = ("image_encoder", "decoder")

    def _made(
        self, shown: Sequence[Image | Failure], samples: Sequence[Sample]
    ) -> Sequence[Image | Failure]:
        places = [k for k, image in enumerate(shown) if not isinstance(image, Failure)]
        vectors = self._encoder.encode([shown[k] for k in places])
        drawn = iter(self._decoder.decode(vectors, [samples[k].seed for k in places]))
        return [image if isinstance(image, Failure) else next(drawn) for image in shown]

    def _open(self, stack: Stack) -> None:
        self._encoder, self._decoder = stack.role("image_encoder"), stack.role("decoder")


def _no_target(sample: Sample) -> str:
    return f"nobody knows what came next for user {sample.request.user_id!r}"
