"""From samples to answers: all of the loop between a fitted method and what it answers.

This code and what it imports is part of the identity of every run and fit (`fit.code_of`), so it
imports nouns and tools only.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persongen_bench.core.errors import DataError, UnsupportedRequestError
from persongen_bench.core.method import Method
from persongen_bench.core.output import OutputKind
from persongen_bench.core.request import Failure, Sample
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image
from persongen_bench.loop.drawing import Draws
from persongen_bench.util.execution import fixed_threads
from persongen_bench.util.guard import Refused


@dataclass(frozen=True)
class Made:
    """A checked answer, and the image that was drawn with it, where its kind is drawn with."""

    answer: Any
    drawn: Image | None = None


@dataclass(frozen=True)
class Maker:
    """A fitted method and what turns its answers into what is recorded."""

    method: Method
    kind: OutputKind
    stack: Stack
    threads: int
    """Of every numerical call; fixed, because it may move the last bit."""

    def make(self, samples: Sequence[Sample]) -> list[Made | Failure]:
        """What became of each sample: a checked answer, or why there is none."""
        with fixed_threads(self.threads):
            answers = [self._checked(answer) for answer in _attempt(self.method, samples)]
            sound = [k for k, answer in enumerate(answers) if isinstance(answer, Made)]
            drawn = Draws(self.stack, self.kind).each(
                [samples[k] for k in sound], [answers[k].answer for k in sound]
            )
            for k, image in zip(sound, drawn, strict=True):
                answers[k] = self._kept(answers[k].answer, image)
            return answers

    def _checked(self, answer: Any) -> Any:  # noqa: ANN401  # whatever a method returned
        """`Made` without its image, or the `Failure`."""
        if isinstance(answer, Failure):
            return _said(answer)
        try:
            return Made(self.kind.check(answer))
        except DataError as error:
            return self._bad(error)

    def _kept(self, answer: Any, drawn: Image | DataError | None) -> Made | Failure:  # noqa: ANN401  # of the kind
        return self._bad(drawn) if isinstance(drawn, DataError) else Made(answer, drawn)

    def _bad(self, error: DataError) -> Failure:
        return Failure("method_error", f"bad {self.kind.name}: {error}")


def _said(failure: Failure) -> Failure:
    """A method's refusal; every state but its own two, such as one that exempts, is an error."""
    state, reason = failure.state, " ".join(str(failure.reason).split())[:500]
    if isinstance(state, str) and state == "filtered":
        return Failure("filtered", reason)
    if isinstance(state, str) and state == "method_error":
        return Failure("method_error", reason)
    return Failure("method_error", f"a method cannot say {str(state)[:40]!r}: {reason}")


def _attempt(method: Method, samples: Sequence[Sample]) -> Sequence[Any]:
    """A fault in a batch is narrowed down to the samples that cause it."""
    try:
        made = method.generate(samples)
        if len(made) == len(samples):
            return made
        reason = f"returned {len(made)} answers for {len(samples)} samples"
    except (UnsupportedRequestError, Refused) as error:
        reason = str(error)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever a method raises counts against it
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    if len(samples) == 1:
        return [Failure("method_error", " ".join(reason.split())[:500])]
    return [_attempt(method, [sample])[0] for sample in samples]
