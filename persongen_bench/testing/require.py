"""How a contract speaks: it raises with a sentence. Works without pytest and under ``-O``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from persongen_bench.core import images
from persongen_bench.core.errors import DataError
from persongen_bench.core.output import ImageKind, OutputKind
from persongen_bench.core.request import Failure
from persongen_bench.core.types import Image


class _AnySize(ImageKind):
    """A picture that is no answer may be of any size."""

    def check(self, value: Image) -> Image:
        """See `images.check`."""
        return images.check(value)


class ContractError(AssertionError):
    """A promise of a protocol is broken; the message says which one and what was found."""


class FatalError(ContractError):
    """The same, of what would end the process that checks."""


def require(condition: object, message: str) -> None:
    """Raise `ContractError` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise ContractError(message)


def require_images(delivered: object, n: int) -> list[Image]:
    """A sequence of ``n`` contract images, of any size."""
    return require_answers(delivered, n, _AnySize(), failures=False)


def require_answers(
    delivered: object, n: int, kind: OutputKind, *, failures: bool = True
) -> list[Any]:
    """A sequence of ``n`` answers of a kind; `Failure` entries only where ``failures``."""
    if not isinstance(delivered, Sequence | np.ndarray):
        found = type(delivered).__name__
        raise ContractError(f"expected a sequence of {kind.name}s, found {found}")
    answers = list(delivered)
    require(len(answers) == n, f"expected {n} {kind.name}s, found {len(answers)}")
    for k, answer in enumerate(answers):
        if failures and isinstance(answer, Failure):
            require(answer.reason, f"failure {k} has no reason")
            continue
        _require_answer(answer, k, kind)
    return answers


def require_same(one: Sequence[object], other: Sequence[object], promise: str) -> None:
    """Two deliveries are equal to the last bit."""
    require(len(one) == len(other), f"{promise}: {len(one)} against {len(other)} results")
    for k, (left, right) in enumerate(zip(one, other, strict=True)):
        require(_equal(left, right), f"{promise}: result {k} differs{_distance(left, right)}")


def _require_answer(answer: object, k: int, kind: OutputKind) -> None:
    try:
        kind.check(answer)
    except DataError as error:
        raise ContractError(f"{kind.name} {k}: {error}") from None


def _equal(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        same_kind = left.dtype == right.dtype and left.shape == right.shape
        return same_kind and left.tobytes() == right.tobytes()
    return type(left) is type(right) and left == right


def _distance(left: object, right: object) -> str:
    if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)):
        return f": {type(left).__name__} against {type(right).__name__}"
    if left.shape != right.shape:
        return f": shape {left.shape} against {right.shape}"
    gap = np.abs(np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64))
    return f" in {int((gap > 0).sum())} of {gap.size} values, by up to {gap.max():.3g}"
