"""What is asked for, and the samples that answer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from persongen_bench.core.errors import DataError
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Image, Unit, content_hash


@dataclass(frozen=True)
class Request:
    """One thing to make for a user; history and reference belong to it, not to the user."""

    user_id: str
    history: tuple[str, ...] = ()
    """Item ids the user liked before, oldest first; they are in the training catalogue."""
    n_images: int = 1
    """Answers to make: images, or what else the track asks for."""
    reference: str | None = None
    """Item id of the picture to follow; it may be held out (see `open_reference`)."""
    instruction: str | None = None
    request_id: str = ""
    """Unique within a run; by default a hash of the content, so that only a user with two equal
    requests needs to name them."""
    opener: Callable[[str], Image] | None = field(default=None, compare=False, repr=False)
    """How the loop lets a method see the reference, and nothing else."""
    target: str | None = field(default=None, compare=False, repr=False)
    """Item id of what came next in truth, where that is known. It is held out: the loop takes it
    out of every request before a method sees one."""
    model: str | None = None
    """Id of the LoRA to edit; it may be held out (see `open_model`)."""
    model_opener: Callable[[str], Adapter] | None = field(default=None, compare=False, repr=False)
    """How the loop lets a method see the model, and nothing else."""

    def __post_init__(self) -> None:
        """Name the request by its content where nobody named it."""
        if not self.request_id:
            object.__setattr__(self, "request_id", content_hash(self._content()))

    def key(self) -> dict[str, Any]:
        """What identifies the request; ``n_images`` is left out, so that more extend the run."""
        content = self._content()
        named = self.request_id != content_hash(content)
        return {**content, "request_id": self.request_id} if named else content

    def open_reference(self) -> Image:
        """The picture to follow, held out or not; the loop records that it was opened.

        Raises `DataError` where the request has none, or where nobody gave it an opener.
        """
        if self.reference is None or self.opener is None:
            what = "no reference" if self.reference is None else "no opener for its reference"
            raise DataError(f"the request {self.request_id} of user {self.user_id!r} has {what}")
        return self.opener(self.reference)

    def open_model(self) -> Adapter:
        """The LoRA to edit, held out or not.

        Raises `DataError` where the request has none, or where nobody gave it an opener.
        """
        if self.model is None or self.model_opener is None:
            what = "no model" if self.model is None else "no opener for its model"
            raise DataError(f"the request {self.request_id} of user {self.user_id!r} has {what}")
        return self.model_opener(self.model)

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "user_id": self.user_id,
            "history": list(self.history),
            "reference": self.reference,
            "instruction": self.instruction,
        }
        return content if self.model is None else {**content, "model": self.model}


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

    Raises `DataError` where two requests have one id.
    """
    times = Counter(request.request_id for request in requests)
    twice = [request for request in requests if times[request.request_id] > 1]
    if twice:
        raise DataError(
            f"{len(twice)} requests share their ids, such as those of user {twice[0].user_id!r}",
            fix="Give requests of equal content ids of their own (`request_id`).",
        )
    return [
        Sample(content_hash(dict(protocol), request.key(), k), k, request)
        for request in requests
        for k in range(request.n_images)
    ]


def unit_of(request: Request, unit: Unit) -> str:
    """The unit whose value a request's samples belong to: its user, or its prompt.

    Requests without an instruction are prompts of their own.
    """
    if unit == "user":
        return request.user_id
    return request.instruction or request.request_id


@dataclass(frozen=True)
class Failure:
    """A sample a method declined to deliver, and why; it stays in the denominator."""

    state: Literal["method_error", "filtered"]
    reason: str
