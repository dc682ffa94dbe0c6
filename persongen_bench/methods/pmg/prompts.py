"""Target and preference keywords to a prompt that the text encoder can read to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from persongen_bench.core.roles import PromptDecoder

SEPARATOR = ", "


@dataclass(frozen=True)
class Room:
    """How many tokens a prompt may have."""

    n_tokens: Callable[[str], int]
    """Of a text, the marks of begin and end included."""
    most: int | None
    """None: no bound is known."""

    @classmethod
    def of(cls, decoder: object, n_taken: int = 0) -> Room:
        """What a decoder's first text encoder reads, less the ``n_taken`` rows of a soft prompt.

        A decoder without a text encoder has no bound.
        """
        if not isinstance(decoder, PromptDecoder):
            return cls(lambda text: len(text.split()), None)
        tokenizer = decoder.pipeline.tokenizer
        return cls(
            lambda text: len(tokenizer(text, truncation=False)["input_ids"]),
            int(tokenizer.model_max_length) - n_taken,
        )

    def excess(self, text: str) -> int:
        """Tokens of ``text`` that nobody reads."""
        return 0 if self.most is None else max(0, self.n_tokens(text) - self.most)


def joined(target: Sequence[str], preference: Sequence[str], weight: int) -> str:
    """The target's keywords, then the preference's ``weight`` times."""
    return SEPARATOR.join([*target, *list(preference) * weight])


def fitted(
    target: Sequence[str], preference: Sequence[str], weight: int, room: Room
) -> tuple[str, int]:
    """The longest such prompt that fits, and how many words were left out of it.

    Repetitions go first, the least telling keyword of the last one before the others; then
    preference keywords, the least telling first; last words of the target only where it alone is
    too long.
    """
    words = [*target, *list(preference) * weight]
    n = len(words)
    while len(words) > 1 and room.excess(SEPARATOR.join(words)):
        words.pop()
    return SEPARATOR.join(words), n - len(words)
