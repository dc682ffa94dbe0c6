"""What is asked for, and the samples that answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from persongen_bench.core.types import content_hash


@dataclass(frozen=True)
class Request:
    """One thing to generate: ``n_images`` pictures for ``user_id``."""

    user_id: str
    history: tuple[str, ...] = ()
    """Item ids the user liked before, oldest first; they are in the training catalogue."""
    n_images: int = 1
    reference: str | None = None
    instruction: str | None = None

    def key(self) -> dict[str, Any]:
        """What identifies the request; ``n_images`` is left out, so that more extend the run."""
        return {
            "user_id": self.user_id,
            "history": list(self.history),
            "reference": self.reference,
            "instruction": self.instruction,
        }


@dataclass(frozen=True)
class Sample:
    """The ``index``-th image to make for ``request``; its randomness comes from ``seed`` alone."""

    sample_id: str
    index: int
    request: Request

    @property
    def seed(self) -> int:
        """63-bit seed that depends on nothing but the sample's id."""
        return int(self.sample_id, 16) >> 1

    def rng(self) -> np.random.Generator:
        """A fresh generator for this sample."""
        return np.random.default_rng(self.seed)


def plan_samples(protocol: Mapping[str, object], requests: Sequence[Request]) -> list[Sample]:
    """All samples of a run in canonical order.

    ``sample_id = hash(protocol, request, k)``, where ``protocol`` names the dataset revision,
    split, track and run seed: never the loop order, the batch size or the worker count.
    """
    return [
        Sample(content_hash(dict(protocol), request.key(), k), k, request)
        for request in requests
        for k in range(request.n_images)
    ]


@dataclass(frozen=True)
class Failure:
    """A sample a method declined to deliver, and why; it stays in the denominator."""

    state: Literal["method_error", "filtered"]
    reason: str
