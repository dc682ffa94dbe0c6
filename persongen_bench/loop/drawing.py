"""Images drawn with what a method answered, where the answer is no image itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persongen_bench.core.errors import DataError, MissingRoleError
from persongen_bench.core.output import OutputKind
from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Adapter, Condition, PromptDecoder
from persongen_bench.core.stack import Stack
from persongen_bench.core.types import Image


class Draws:
    """Draws with the stack's decoder, which is opened when it is first needed."""

    def __init__(self, stack: Stack, kind: OutputKind) -> None:
        self._stack, self._kind = stack, kind

    def __call__(self, sample: Sample, answer: Adapter) -> Image | None:
        """The image of an answer: a function of the answer and ``sample.seed`` alone.

        None for kinds that are not drawn. The prompt is the request's instruction, else empty.

        Raises:
            MissingRoleError: if the stack's decoder takes no adapters.
            DataError: if the decoder cannot take this one.
        """
        (drawn,) = self.each([sample], [answer])
        if isinstance(drawn, DataError):
            raise drawn
        return drawn

    def each(
        self, samples: Sequence[Sample], answers: Sequence[Any]
    ) -> list[Image | DataError | None]:
        """As for each sample alone; what one adapter answers is drawn at once, which is faster."""
        if not self._kind.drawable:
            return [None] * len(samples)
        groups: dict[str, list[int]] = {}
        for place, answer in enumerate(answers):
            groups.setdefault(self._kind.digest(answer), []).append(place)
        drawn: dict[int, Image | DataError] = {}
        for places in groups.values():
            own = self._drawn(answers[places[0]], [samples[place] for place in places])
            drawn |= dict(zip(places, own, strict=True))
        return [drawn[place] for place in range(len(samples))]

    def _drawn(self, answer: Adapter, samples: Sequence[Sample]) -> Sequence[Image | DataError]:
        decoder = self._stack.role("decoder")
        if not isinstance(decoder, PromptDecoder):
            raise MissingRoleError(
                f"the decoder of stack {self._stack.name} takes no adapters",
                fix="Use a text-to-image stack, such as sandbox.",
            )
        conditions = [Condition(sample.request.instruction or "") for sample in samples]
        try:
            with decoder.adapted(answer):
                return decoder.draw(conditions, [sample.seed for sample in samples])
        except (KeyError, ValueError, RuntimeError) as error:
            said = DataError(f"the decoder does not take this adapter: {error}")
            said.__cause__ = error
            return [said] * len(samples)
