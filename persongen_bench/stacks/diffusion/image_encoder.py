"""CLIP towers of the transformers library as encoders of a stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from persongen_bench.core import images as imaging
from persongen_bench.core.scaling import middle
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.util.batching import map_rows

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Per channel on the scale [0, 1]: OpenAI's CLIP (Radford et al. 2021) and its successors."""


def crop_square(image: Image, size: int) -> UInt8[np.ndarray, "3 size size"]:
    """Scale the shorter side to ``size`` (PIL bicubic), keep the middle: CLIP's preprocessing.

    The longer side is cut to whole pixels, as `CLIPImageProcessor` and torchvision do.
    """
    height, width = imaging.check(image).shape[1:]
    if height == width:
        return imaging.resize(image, size)
    short = min(height, width)
    shape = (int(size * width / short), int(size * height / short))
    return middle(image, shape, size)


def _prepare(images: Sequence[Image], size: int) -> UInt8[np.ndarray, "n 3 size size"]:
    squares = [crop_square(image, size) for image in images]
    return np.stack(squares) if squares else np.zeros((0, 3, size, size), dtype=np.uint8)


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation per channel, on the scale [0, 1], of the pixels a model reads."""

    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION

    @classmethod
    def of(cls, folder: Path) -> Normalisation:
        """What ``preprocessor_config.json`` in a folder says; CLIP's where there is none."""
        path = folder / "preprocessor_config.json"
        if not path.is_file():
            return cls()
        said = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(said["image_mean"]), tuple(said["image_std"]))


@dataclass(frozen=True)
class Placement:
    """Where and how a model computes."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    normalisation: Normalisation = Normalisation()
    rows: int = 16
    """Rows of every network call, short blocks padded (`persongen_bench.util.batching`)."""


class _Tower:
    """A model, its placement, and the normalised pixels it reads."""

    def __init__(self, model: Any, placement: Placement) -> None:  # noqa: ANN401
        self.model = model.to(placement.device, placement.dtype).eval()
        self.device, self.dtype = placement.device, placement.dtype
        self.rows = placement.rows
        self._normalisation = placement.normalisation

    def pixels(self, rows: UInt8[np.ndarray, "n 3 s s"]) -> Float[Tensor, "n 3 s s"]:
        mean = torch.tensor(self._normalisation.mean)
        deviation = torch.tensor(self._normalisation.deviation)
        scaled = torch.from_numpy(rows).float() / 255
        normal = (scaled - mean[:, None, None]) / deviation[:, None, None]
        return normal.to(self.device, self.dtype)

    def name(self, kind: str, size: int, weights: str) -> str:
        """The printable signature."""
        dtype = str(self.dtype).removeprefix("torch.")
        shift, scale = (
            ",".join(f"{value:g}" for value in values)
            for values in (self._normalisation.mean, self._normalisation.deviation)
        )
        read = f"mean:{shift}|deviation:{scale}|resize:{size}-bicubic-shorter-side-centre-crop"
        return f"{kind}|in:u8|{read}|dtype:{dtype}|rows:{self.rows}|weights:{weights}|impl:1"


class ClipImageEncoder:
    """`CLIPVisionModelWithProjection` as an `ImageEncoder`: the space of an IP-Adapter.

    ``weights`` names the weights in the signature, as ``sha256:...``. The embeddings are not
    normalised: an IP-Adapter is trained on them as they are.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # a CLIPVisionModelWithProjection
        weights: str,
        placement: Placement = Placement(),
    ) -> None:
        self._tower = _Tower(model, placement)
        self._size: int = model.config.image_size
        self.embedding_size: int = model.config.projection_dim
        self.signature = self._tower.name("clip-image-encoder", self._size, weights)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``."""
        return map_rows(self._block, _prepare(images, self._size), self._tower.rows)

    def _block(self, rows: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
        with torch.no_grad():
            output = self._tower.model(pixel_values=self._tower.pixels(rows)).image_embeds
        embedded: np.ndarray = output.float().cpu().numpy()
        return embedded


class ClipDualEncoder:
    """`CLIPModel` as an `ImageEncoder` and a `TextEncoder` of one space; nothing is normalised."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # a CLIPModel
        tokenizer: Any,  # noqa: ANN401  # its CLIPTokenizer
        weights: str,
        placement: Placement = Placement(),
    ) -> None:
        self._tower = _Tower(model, placement)
        self._tokenizer = tokenizer
        self._size: int = model.config.vision_config.image_size
        self._n_tokens: int = model.config.text_config.max_position_embeddings
        self.embedding_size: int = model.config.projection_dim
        self.signature = self._tower.name("clip-dual-encoder", self._size, weights)

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``."""
        return map_rows(self._images, _prepare(images, self._size), self._tower.rows)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Texts, cut to the model's context => float32 ``(n, embedding_size)``."""
        if not texts:
            return np.zeros((0, self.embedding_size), dtype=np.float32)
        tokens = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self._n_tokens
        )
        rows = np.stack([tokens["input_ids"], tokens["attention_mask"]], axis=1)
        return map_rows(self._texts, rows.astype(np.int64), self._tower.rows)

    def _images(self, rows: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
        with torch.no_grad():
            output = self._tower.model.get_image_features(pixel_values=self._tower.pixels(rows))
        embedded: np.ndarray = output.pooler_output.float().cpu().numpy()
        return embedded

    def _texts(self, rows: Int64[np.ndarray, "n 2 tokens"]) -> Float[np.ndarray, "n d"]:
        ids, mask = torch.from_numpy(rows).to(self._tower.device).unbind(dim=1)
        with torch.no_grad():
            output = self._tower.model.get_text_features(input_ids=ids, attention_mask=mask)
        embedded: np.ndarray = output.pooler_output.float().cpu().numpy()
        return embedded
