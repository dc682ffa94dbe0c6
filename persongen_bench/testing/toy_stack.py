"""A stack without weights: pictures to thirty-two moments, and back to a shaded colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from persongen_bench.core.errors import MissingRoleError
from persongen_bench.core.images import check, resize
from persongen_bench.core.roles import Condition, DrawOptions
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.testing.toy_llm import ToyLanguageModel
from persongen_bench.testing.toy_words import HueCaptioner, condition_row

SIZE = 16
_LINE = np.linspace(-1.0, 1.0, SIZE)
_POWER = float(np.mean(_LINE**2))


def gradient(colour: np.ndarray, slope_x: np.ndarray, slope_y: np.ndarray) -> Image:
    """Colour plus linear shades, all ``(3,)`` on the scale [0, 1] => uint8 ``(3, 16, 16)``."""
    shade = slope_x[:, None, None] * _LINE[None, None, :] + slope_y[:, None, None] * _LINE[:, None]
    pixels = np.rint(255.0 * (colour[:, None, None] + shade))
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


class MomentEncoder:
    """Mean colour, two slopes per channel, deviations and brightness by region, on [-1, 1].

    Each image is encoded on its own, so the batch cannot matter.
    """

    embedding_size = 32

    def __init__(self, signature: str, weights: np.ndarray) -> None:
        self.signature = signature
        self._weights = weights

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """``n`` images => float32 ``(n, 32)``."""
        rows = [moments(image) * self._weights for image in images]
        return np.array(rows, dtype=np.float32).reshape(len(images), self.embedding_size)


class DualMomentEncoder(MomentEncoder):
    """The same with texts: a text lies where the colour it names does."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """``n`` texts => float32 ``(n, 32)``."""
        rows = [condition_row(Condition(t), DrawOptions(), self.embedding_size) for t in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.embedding_size)
        return np.asarray(vectors * self._weights, dtype=np.float32)


class PartialEncoder:
    """Some of the moments; with variants that differ in their signature and a weight."""

    def __init__(self, name: str, size: int, variants: tuple[str, ...] = ()) -> None:
        self.signature = f"toy-{name}|impl:1"
        self.embedding_size = size
        self.variants = variants
        self._name = name

    def variant(self, name: str) -> PartialEncoder:
        """The same moments under another signature."""
        return PartialEncoder(f"{self._name}-{name}", self.embedding_size)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """``n`` images => float32 ``(n, embedding_size)``."""
        rows = [moments(image)[: self.embedding_size] for image in images]
        return np.array(rows, dtype=np.float32).reshape(len(images), self.embedding_size)


class GradientDecoder:
    """The inverse of `MomentEncoder` for shaded colours, plus a grain that only the seed sets."""

    signature = "toy-gradient|impl:1"

    def decode(self, embeddings: Embeddings, seeds: Sequence[int]) -> list[Image]:
        """``(n, 32)`` and n seeds => n images ``(3, 16, 16)``."""
        if len(embeddings) != len(seeds):
            raise ValueError(f"{len(embeddings)} embeddings but {len(seeds)} seeds")
        return [_decode(row, seed) for row, seed in zip(embeddings, seeds, strict=True)]

    def draw(
        self,
        conditions: Sequence[Condition],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As `roles.PromptDecoder.draw`; what words mean is said in `toy_words`."""
        rows = [condition_row(c, options, MomentEncoder.embedding_size) for c in conditions]
        return self.decode(np.array(rows).reshape(len(rows), -1), seeds)


class WordPainter:
    """Draws words as `GradientDecoder` does, and takes nothing else: the role ``pixel_decoder``."""

    signature = "toy-words|impl:1"

    def draw(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        options: DrawOptions = DrawOptions(),  # noqa: B008  # frozen
    ) -> list[Image]:
        """As `roles.TextToImage.draw`."""
        if not texts:
            return []
        return GradientDecoder().draw([Condition(text) for text in texts], seeds, options)


class ToyStack:
    """Every role that a method of the prompt-free tracks or a metric may ask for."""

    name = "toy"
    signature = "toy|impl:1"

    def __init__(self) -> None:
        even = np.ones(32)
        judge = np.repeat([1.0, 0.5, 0.25, 0.5], [3, 6, 3, 20])
        self._roles: dict[str, Any] = {
            "image_encoder": MomentEncoder("toy-moments|impl:1", even),
            "judge_encoder": DualMomentEncoder("toy-judge|impl:1", judge),
            "clip": DualMomentEncoder("toy-clip|impl:1", even),
            "dino": MomentEncoder("toy-dino|impl:1", even[::-1] * 0.5),
            "inception": PartialEncoder("inception", 3, ("clean", "tf-legacy", "pytorch")),
            "lpips": PartialEncoder("lpips", 32, ("alex", "vgg")),
            "aesthetic": PartialEncoder("aesthetic", 1, ("v1", "v2")),
            "hps": DualMomentEncoder("toy-hps|impl:1", judge),
            "pickscore": DualMomentEncoder("toy-pickscore|impl:1", judge),
            "decoder": GradientDecoder(),
            "pixel_decoder": WordPainter(),
            "captioner": HueCaptioner(),
            "llm": ToyLanguageModel(),
            "vit": MomentEncoder("toy-vit|impl:1", even * 0.5),
        }
        self._late: dict[str, Callable[[], Any]] = {"lmm": self._lmm}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles there are."""
        return tuple(dict.fromkeys((*self._roles, *self._late)))

    def role(self, name: str) -> Any:  # noqa: ANN401  # each role has its own protocol
        """The model for a role."""
        if name not in self.roles:
            raise MissingRoleError(
                f"stack toy has no role {name!r}", fix=f"It has {', '.join(self.roles)}."
            )
        if name not in self._roles:
            self._roles[name] = self._late[name]()
        return self._roles[name]

    def _lmm(self) -> Any:  # noqa: ANN401  # its libraries are imported for those who ask for it
        from persongen_bench.testing.toy_lmm import toy_lmm

        return toy_lmm(self._roles["decoder"], MomentEncoder.embedding_size)


def moments(image: Image) -> np.ndarray:
    """float64 ``(32,)``: means (3), slopes (6), deviations (3), brightness by region (4 + 16).

    The mean is mapped from [0, 1] to [-1, 1]; everything else is on the scale of [0, 1] pixels.
    Regions are the quadrants and the cells of a 4 x 4 grid, each as a difference from the mean.
    """
    pixels = check(image)
    return _moments(pixels.tobytes(), pixels.shape).copy()


@lru_cache(maxsize=8192)
def _moments(digits: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """`moments` of a picture by its bytes: the same few are seen again and again."""
    image = np.frombuffer(digits, dtype=np.uint8).reshape(shape)
    pixels = resize(image, SIZE).astype(np.float64) / 255.0
    mean = pixels.mean(axis=(1, 2))
    slope_x = (pixels * _LINE[None, None, :]).mean(axis=(1, 2)) / _POWER
    slope_y = (pixels * _LINE[None, :, None]).mean(axis=(1, 2)) / _POWER
    deviation = pixels.std(axis=(1, 2))
    grey = pixels.mean(axis=0) - mean.mean()
    regions = [grey.reshape(n, SIZE // n, n, SIZE // n).mean(axis=(1, 3)).ravel() for n in (2, 4)]
    return np.concatenate([2 * mean - 1, slope_x, slope_y, deviation, *regions])


def _decode(row: np.ndarray, seed: int) -> Image:
    row = np.asarray(row, dtype=np.float64)
    image = gradient((row[:3] + 1) / 2, row[3:6], row[6:9]).astype(np.int64)
    grain = np.random.default_rng(seed).integers(-2, 3, size=image.shape)
    return np.asarray(np.clip(image + grain, 0, 255), dtype=np.uint8)
