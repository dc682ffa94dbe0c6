"""How the methods of the prompt-free tracks answer a request that also says what to show.

The instruction stands in front of their own words, and image prompts stand beside it. A request
without an instruction is answered as if there were no such thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from persongen_bench.core.errors import UnsupportedRequestError
from persongen_bench.core.request import Request, Sample
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.stack import Decoder
from persongen_bench.core.types import Embeddings, Image

BESIDE_WORDS = 0.5
"""Strength of image prompts beside an instruction where nobody set one: what the authors of
IP-Adapter advise for image and words together (their README); at 1 the picture drowns the words."""


def instructed(condition: Condition, request: Request) -> Condition:
    """The condition with the request's instruction in front of its words.

    Terms of the negative prompt that the instruction names are left out.
    """
    said = request.instruction
    if not said:
        return condition
    words = ", ".join(filter(None, (said, condition.prompt)))
    terms = condition.negative_prompt.split(", ")
    negative = ", ".join(term for term in terms if term not in said.split())
    return replace(condition, prompt=words, negative_prompt=negative)


def beside_words(options: DrawOptions, request: Request) -> DrawOptions:
    """The options, with `BESIDE_WORDS` where the request has words and no strength is set."""
    if not request.instruction or options.image_scale is not None:
        return options
    return replace(options, image_scale=BESIDE_WORDS)


@runtime_checkable
class Draws(Protocol):
    """What of `PromptDecoder` takes words."""

    def draw(
        self,
        conditions: Sequence[Condition],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As `PromptDecoder.draw`."""
        ...


def draw_each(
    decoder: Draws,
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    options: Sequence[DrawOptions],
) -> list[Image]:
    """`Draws.draw` where every picture has options of its own."""
    made: dict[int, Image] = {}
    for one in dict.fromkeys(options):
        places = [k for k, own in enumerate(options) if own == one]
        drawn = decoder.draw([conditions[k] for k in places], [seeds[k] for k in places], one)
        made |= dict(zip(places, drawn, strict=True))
    return [made[k] for k in range(len(conditions))]


def draw_embeddings(
    decoder: Decoder,
    embeddings: Embeddings,
    samples: Sequence[Sample],
    words: Condition,
    options: DrawOptions,
) -> list[Image]:
    """Each row ``(n, E)`` as the image prompt of its sample, beside ``words`` and the instruction.

    Raises `UnsupportedRequestError` for a decoder that takes no words.
    """
    if not isinstance(decoder, Draws):
        raise UnsupportedRequestError("the stack's decoder takes embeddings only, no instruction")
    conditions = [
        instructed(replace(words, images=row[None]), sample.request)
        for row, sample in zip(embeddings, samples, strict=True)
    ]
    own = [beside_words(options, sample.request) for sample in samples]
    return draw_each(decoder, conditions, [sample.seed for sample in samples], own)
