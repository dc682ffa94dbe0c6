"""What the methods that answer with catalogue items share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from persongen_bench.core.config import Config
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image


class NoConfig(Config):
    """A method without settings."""


def open_choices(
    view: View, samples: Sequence[Sample], choices: Sequence[str | Failure]
) -> list[Image | Failure]:
    """The chosen catalogue image of every sample; failures stay where they are."""
    if len(samples) != len(choices):
        raise ValueError("one choice per sample")
    wanted = sorted({choice for choice in choices if isinstance(choice, str)})
    opened = dict(zip(wanted, view.catalog.images(wanted), strict=True))
    given: set[str] = set()
    return [_own(opened, c, given) if isinstance(c, str) else c for c in choices]


def _own(opened: Mapping[str, Image], item: str, given: set[str]) -> Image:
    """The picture that was opened, and a copy from the second time on: no two share memory."""
    if item in given:
        return opened[item].copy()
    given.add(item)
    return opened[item]


def no_history(sample: Sample) -> Failure:
    """Says that a sample's user has no liked history to work from."""
    return Failure("method_error", f"user {sample.request.user_id} has no liked history")


def write_json(folder: Path, document: Any) -> None:  # noqa: ANN401  # any JSON value
    """Store a method's small state."""
    (folder / "state.json").write_text(json.dumps(document), encoding="utf-8")


def read_json(folder: Path) -> Any:  # noqa: ANN401  # any JSON value
    """Read what `write_json` stored."""
    return json.loads((folder / "state.json").read_text(encoding="utf-8"))


class Stateless:
    """Class attributes of a method without presets or generation-only settings."""

    Config: ClassVar[type[Config]] = NoConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    privileged: ClassVar[bool] = False
    generate_fields: ClassVar[frozenset[str]] = frozenset()
    makes: ClassVar[str] = "image"


class FromCatalog(Stateless):
    """Base of the methods that learn nothing: they keep the training view and answer from it."""

    roles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def fit(self, train: View, context: FitContext) -> None:  # noqa: ARG002  # nothing to learn
        """Keep the training view."""
        self._train = train

    def save(self, folder: Path) -> None:
        """Nothing is learned."""

    def load(self, folder: Path, stack: Stack, train: View) -> None:  # noqa: ARG002  # the seam
        """Keep the training view."""
        self._train = train
