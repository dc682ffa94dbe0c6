"""Words about shaded colours: pictures to tags, and prompts to the vectors of `toy_stack`.

There are as many words for hues as the toy world has people, so that a method that speaks of what
its user likes is told apart from one that speaks of something else.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence

import numpy as np

from persongen_bench.core.images import check
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.types import Description, Embeddings, Image, content_hash

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
"""Word k stands for hue k/6."""
_BRIGHT = 0.83
_TRACE = 0.03


class HueCaptioner:
    """Names the hue and the brightness of a picture's mean colour, and where it is lighter."""

    signature = "toy-hues|impl:1"

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """One description per picture, from it alone."""
        return [_describe(check(image)) for image in images]


def condition_row(condition: Condition, options: DrawOptions, size: int) -> Embeddings:
    """The float32 vector ``(size,)`` that a condition asks for.

    Image prompts count with their mean. The first three numbers become the mean colour of the
    hues in the prompt, red for red; a prompt without any is grey. Whatever else is said, negative
    words and options included, leaves a faint trace in the slopes, so that no word goes unseen.
    """
    row = np.zeros(size) if condition.images is None else condition.images.mean(axis=0)
    row = np.asarray(row, dtype=np.float64).copy()
    named = [HUES.index(w) for w in re.findall(r"[a-z]+", condition.prompt) if w in HUES]
    if named:
        colours = [colorsys.hsv_to_rgb(k / len(HUES), 0.8, _BRIGHT) for k in named]
        row[:3] = 2 * np.mean(colours, axis=0) - 1
    said = [condition.prompt, condition.negative_prompt, *_values(options)]
    if any(value not in ("", None) for value in said):
        rng = np.random.default_rng(int(content_hash(said), 16))
        row[3:9] += rng.uniform(-_TRACE, _TRACE, 6)
    return row.astype(np.float32)


def _values(options: DrawOptions) -> list[float | int | None]:
    return [options.guidance_scale, options.n_inference_steps, options.image_scale]


def _describe(image: Image) -> Description:
    pixels = image.astype(np.float64) / 255.0
    hue, _, value = colorsys.rgb_to_hsv(*pixels.mean(axis=(1, 2)))
    name = HUES[round(hue * len(HUES)) % len(HUES)]
    light = "bright" if value > _BRIGHT else "dark"
    halves = np.array_split(pixels.mean(axis=(0, 1)), 2)
    side = "left" if halves[0].mean() > halves[1].mean() else "right"
    return Description(
        f"a {light} {name} picture, lighter on the {side}",
        (name, light, side),
        attributes=(light, side),
        colours=(name,),
    )
