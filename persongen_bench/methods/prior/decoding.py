"""From embeddings to pictures: the stack's decoder as it is, or with the options of a method."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.request import Sample
from persongen_bench.core.roles import Condition, DrawOptions, PromptDecoder
from persongen_bench.core.stack import Decoder, Stack
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.methods._instructed import draw_embeddings
from persongen_bench.methods.prior.config import DECODER_FIELDS, PriorConfig


def decoder_options(config: PriorConfig) -> list[str]:
    """Names of the decoder's options that differ from their defaults, in a fixed order."""
    fields = PriorConfig.model_fields
    return [name for name in DECODER_FIELDS if getattr(config, name) != fields[name].default]


def open_decoder(stack: Stack, config: PriorConfig) -> Decoder:
    """The stack's decoder, if it can do what the options ask; raises `ConfigError` otherwise."""
    decoder: Decoder = stack.role("decoder")
    asked = decoder_options(config)
    if asked and not isinstance(decoder, PromptDecoder):
        raise ConfigError(
            f"the decoder of stack {stack.name} takes embeddings only, "
            f"and {', '.join(asked)} {'is' if len(asked) == 1 else 'are'} set",
            fix="Leave that out, or use a stack with a text-to-image decoder.",
        )
    return decoder


def device_of(stack: Stack) -> torch.device:
    """Where a prior of this stack computes: where its decoder's networks are, else on the CPU."""
    pipeline = getattr(stack.role("decoder"), "pipeline", None)
    return torch.device("cpu") if pipeline is None else torch.device(pipeline.device)


def decode(
    stack: Stack, config: PriorConfig, embeddings: Embeddings, samples: Sequence[Sample]
) -> list[Image]:
    """One picture per row ``(n, E)``; picture i depends on row i and sample i alone.

    Beside an instruction the embedding is an image prompt of ``image_scale``, .5 where that is not
    set; `UnsupportedRequestError` for a decoder that takes no words.
    """
    decoder = open_decoder(stack, config)
    said = any(sample.request.instruction for sample in samples)
    if not said and not decoder_options(config):
        return decoder.decode(embeddings, [sample.seed for sample in samples])
    options = DrawOptions(
        guidance_scale=config.decoder_guidance_scale,
        n_inference_steps=config.decoder_steps,
        image_scale=config.image_scale,
    )
    words = Condition(config.prompt, config.negative_prompt)
    return draw_embeddings(decoder, embeddings, samples, words, options)
