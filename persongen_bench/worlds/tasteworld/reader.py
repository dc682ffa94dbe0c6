"""Reads the attributes off a picture: the judge of the true taste of generated pictures.

A small residual network, trained on rendered pictures only (`reader_training`). Beside the five
attributes it says whether the picture shows one legible object at all; blends of two pictures,
blurs, noise and scrambled pictures do not. How often it is right is measured on pictures it never
saw and shipped beside the weights. No method may use it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from persongen_bench.core import images as image_border
from persongen_bench.core.errors import ConfigError
from persongen_bench.core.types import Image
from persongen_bench.util.batching import map_rows
from persongen_bench.util.files import short_sha256
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, COUNTS, NAMES
from persongen_bench.worlds.tasteworld.render import SIZE

FOLDER = Path(__file__).resolve().parent / "weights"
WEIGHTS = "reader.safetensors"
_BLOCK = 64
_WIDTHS = (24, 48, 96, 128)
_FIX = "Build it with `pgbench models build sandbox --output FOLDER`, or reinstall."


class _Residual(nn.Module):
    """Two convolutions around a skip, the first one with a stride."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm_one = nn.BatchNorm2d(n_out)
        self.two = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm_two = nn.BatchNorm2d(n_out)
        self.skip = nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(b, n_in, h, w)`` => ``(b, n_out, h / stride, w / stride)``."""
        hidden = torch.relu(self.norm_one(self.one(x)))
        return torch.relu(self.skip(x) + self.norm_two(self.two(hidden)))


class ReaderNetwork(nn.Module):
    """64 x 64 pictures to logits of all values and one of legibility; 0.55 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _WIDTHS[0], 5, 2, 2)
        ladder = zip((_WIDTHS[0], *_WIDTHS), _WIDTHS, strict=False)
        self.blocks = nn.ModuleList(
            _Residual(n_in, n_out, 1 if i == 0 else 2) for i, (n_in, n_out) in enumerate(ladder)
        )
        self.head = nn.Linear(_WIDTHS[-1] * 16, sum(COUNTS) + 1)

    def features(self, x: Float[Tensor, "b 3 64 64"]) -> list[Tensor]:
        """Feature maps after the stem and every block, coarser and coarser."""
        maps = [torch.relu(self.stem(x * 2 - 1))]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def forward(self, x: Float[Tensor, "b 3 64 64"]) -> Float[Tensor, "b values"]:
        """RGB in [0, 1] => logits, the values of all attributes in order, then legibility."""
        out: Tensor = self.head(self.features(x)[-1].flatten(1))
        return out


@dataclass(frozen=True)
class PictureReading:
    """What the reader saw, one row per picture."""

    codes: Int[np.ndarray, "n 5"]
    """The likeliest value of every attribute."""
    confidence: Float[np.ndarray, "n 5"]
    """Its probability."""
    legible: Float[np.ndarray, " n"]
    """Probability in [0, 1] that the picture shows one legible object."""


class TasteworldReader:
    """The trained reader; row i of a reading depends on image i alone."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._network = load(folder)
        digest = short_sha256(folder / WEIGHTS)
        self.signature = f"tasteworld-reader|in:u8|resize:{SIZE}|weights:sha256:{digest}|impl:1"

    def read(self, images: Sequence[Image]) -> PictureReading:
        """Read uint8 RGB pictures; another size than 64 x 64 is resized first."""
        logits = map_rows(self._block, image_border.stack_square(images, SIZE), _BLOCK)
        codes, confidence = [], []
        for part in np.split(logits[:, :-1], np.cumsum(COUNTS)[:-1], axis=1):
            odds = np.exp(part - part.max(axis=1, keepdims=True))
            codes.append(part.argmax(axis=1))
            confidence.append(odds.max(axis=1) / odds.sum(axis=1))
        legible = 1 / (1 + np.exp(-logits[:, -1].astype(np.float64)))
        return PictureReading(np.stack(codes, axis=1), np.stack(confidence, axis=1), legible)

    def _block(self, pixels: UInt8[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "n values"]:
        with torch.inference_mode():
            x = torch.from_numpy(pixels).float() / 255
            logits: np.ndarray = self._network(
                x.contiguous(memory_format=torch.channels_last)
            ).numpy()
        return logits


@functools.lru_cache(maxsize=1)
def shipped() -> TasteworldReader:
    """The reader that ships with the package, loaded once."""
    return TasteworldReader()


def load(folder: Path) -> ReaderNetwork:
    """The network in ``folder`` in float32; raises `ConfigError` where it is missing or damaged."""
    path = folder / WEIGHTS
    try:
        tensors = {name: value.float() for name, value in load_file(path).items()}
        network = ReaderNetwork()
        counters = {k: v for k, v in network.state_dict().items() if not v.is_floating_point()}
        network.load_state_dict(tensors | counters)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(f"{path}: no weights of the reader ({error})", fix=_FIX) from None
    network.eval().requires_grad_(requires_grad=False)
    return network.to(memory_format=torch.channels_last)


def attribute_accuracy(
    read: Int[np.ndarray, "n 5"], truth: Int[np.ndarray, "n 5"]
) -> dict[str, float]:
    """Share of pictures whose attribute is read as meant, per attribute and their ``mean``."""
    right = (read == truth).mean(axis=0)
    return dict(zip(NAMES, right.tolist(), strict=True)) | {"mean": float(right.mean())}


def chance() -> dict[str, float]:
    """Accuracy of guessing, per attribute and their ``mean``."""
    chances = {name: 1 / len(values) for name, values in ATTRIBUTES.items()}
    return chances | {"mean": float(np.mean(list(chances.values())))}
