"""Images drawn with what a method answered, where the answer is no image itself."""

from __future__ import annotations

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
        if not self._kind.drawable:
            return None
        decoder = self._stack.role("decoder")
        if not isinstance(decoder, PromptDecoder):
            raise MissingRoleError(
                f"the decoder of stack {self._stack.name} takes no adapters",
                fix="Use a text-to-image stack, such as sandbox.",
            )
        condition = Condition(sample.request.instruction or "")
        try:
            with decoder.adapted(answer):
                (image,) = decoder.draw([condition], [sample.seed])
        except (KeyError, ValueError, RuntimeError) as error:
            raise DataError(f"the decoder does not take this adapter: {error}") from error
        return image
