"""The role ``captioner``: names a picture's attributes by the CLIP's cosines, nothing else.

Zero-shot: every value of an attribute has a direction, the mean embedding of captions that name
it in many contexts (`standin_quality.prototypes`); the nearest one is what the picture shows.
The attribute reader, which knows the true taste, has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Description, Embeddings, Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox import standin_quality as figures
from persongen_bench.stacks.sandbox.standin_encoder import DualEncoder
from persongen_bench.stacks.sandbox.standin_files import FIX, WEIGHTS, measured, weights_sha256
from persongen_bench.util.files import write_atomic
from persongen_bench.util.recipe import Recipe
from persongen_bench.util.training import Workshop
from persongen_bench.worlds.tasteworld.attributes import COUNTS, NAMES, Scenes, caption, decode

Directions = list[Embeddings]
"""Per attribute one row for each value."""


class AttributeTagger:
    """Pictures to captions and tags; implements `Captioner` and `CaptionHead`."""

    base: ClassVar[str] = "clip"

    def __init__(self, folder: Path, clip: DualEncoder) -> None:
        """Read the folder that `recipe` wrote for this ``clip``."""
        self._clip = clip
        self._directions = _read(folder, clip.embedding_size)
        self.signature = (
            f"sandbox-captioner|zero-shot|weights:sha256:{weights_sha256(folder)}"
            f"|on:({clip.signature})|impl:1"
        )

    def describe(self, images: Sequence[Image]) -> list[Description]:
        """A sentence and the five values, sorted; description i from image i."""
        return self.describe_rows(self._clip.encode(images))

    def describe_rows(self, rows: Embeddings) -> list[Description]:
        """The same of images whose CLIP rows ``(n, d)`` are known."""
        scenes = figures.zero_shot(rows, self._directions)
        tags = decode(scenes)
        return [sorted_tags(caption(s), t) for s, t in zip(scenes, tags, strict=True)]

    def scenes(self, images: Sequence[Image]) -> Scenes:
        """What the pictures seem to show, ``(n, 5)``."""
        return figures.zero_shot(self._clip.encode(images), self._directions)


def sorted_tags(sentence: str, tags: tuple[str, ...]) -> Description:
    """The five values, in the order of `NAMES`, as tags and under the headings of a description.

    A shape is an object, a size an attribute; style and background are styles.
    """
    value = dict(zip(NAMES, tags, strict=True))
    return Description(
        sentence,
        tags,
        objects=(value["shape"],),
        attributes=(value["size"],),
        styles=(value["style"], value["background"]),
        colours=(value["colour"],),
    )


def recipe(clip: DualEncoder) -> Recipe[Directions]:
    """Embeds captions with ``clip``; seconds, nothing is trained."""

    def directions(workshop: Workshop) -> Directions:  # noqa: ARG001  # nothing to resume
        return figures.prototypes(clip, caption)

    def write(made: Directions, folder: Path) -> None:
        tensors = {name: rows.astype(np.float32) for name, rows in zip(NAMES, made, strict=True)}
        write_atomic(folder / WEIGHTS, save(tensors))

    def card(folder: Path) -> Mapping[str, object]:
        name = "zero-shot attribute tagger: cosines with mean caption embeddings of a CLIP"
        facts = measured(folder, quality(AttributeTagger(folder, clip)))
        return data.card(name, None, {"clip": clip.signature, **facts})

    return Recipe(directions, write, card)


def quality(tagger: AttributeTagger) -> dict[str, float]:
    """Share of right values on pictures of held-out scenes, per attribute and all five at once."""
    test = figures.held_out_pictures()
    right = tagger.scenes(list(test.images)) == test.scenes
    accuracy = figures.with_mean(dict(zip(NAMES, right.mean(axis=0).tolist(), strict=True)))
    return accuracy | {"all": round(float(right.all(axis=1).mean()), 4)}


def _read(folder: Path, embedding_size: int) -> Directions:
    path = folder / WEIGHTS
    weights_sha256(folder)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ConfigError(f"{path}: not readable ({error})", fix=FIX) from None
    wanted = {name: (n, embedding_size) for name, n in zip(NAMES, COUNTS, strict=True)}
    shapes = {name: rows.shape for name, rows in tensors.items()}
    if shapes != wanted:
        raise ConfigError(f"{path}: expected shapes {wanted}, found {shapes}", fix=FIX)
    return [tensors[name] for name in NAMES]
