"""The role ``lpips`` with the published weights: AlexNet or VGG16 under the heads of version 0.1.

Zhang et al. 2018, eq. 1. The trunks are torchvision's ImageNet weights, read from local files
``alexnet-owt-7be5be79.pth`` and ``vgg16-397923af.pth``; the heads come with the package `lpips`.

The distance is a squared Euclidean one: each layer's activations, of unit length over channels,
times the root of head over number of places, form one vector per picture. At 256 x 256 it has
640,128 numbers for AlexNet and 7,995,392 for VGG16 (2.6 and 32 MB in float32).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from persongen_bench.core import images as imaging
from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.types import Embeddings, Image
from persongen_bench.stacks.judges.checkpoint import read_state, require_layout
from persongen_bench.util.batching import map_rows
from persongen_bench.util.files import file_sha256

Net = Literal["alex", "vgg"]
TAPS: dict[str, tuple[int, ...]] = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}
"""The compared layers: ReLUs, by their number in torchvision's ``features``."""
HEADS_SHA256 = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
"""``weights/v0.1/*.pth`` of lpips 0.1.4 on PyPI, measured."""
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-10
_HUB_NAME = re.compile(r"-([0-9a-f]{8})\.pth$")


@dataclass(frozen=True)
class LpipsSettings:
    """How pictures are read and computed; all of it but the device stands in the signature."""

    size: int = 256
    """Side to which every picture is scaled (bicubic, PIL, aspect ignored)."""
    rows: int = 4
    """Pictures per network call; short blocks are padded (`persongen_bench.util.batching`)."""
    dtype: torch.dtype = torch.float32
    """What the network computes in; the vectors are float32 whatever it is."""
    device: torch.device | None = None
    """None: the CPU."""


class LpipsEncoder:
    """Pictures to vectors whose squared Euclidean distance is LPIPS; an `ImageEncoder`.

    Args:
        net: ``alex`` or ``vgg``.
        trunk: torchvision's state dict of that network (a file of tensors, no code is run).
        settings: resolution, rows per call, precision, device.

    Raises `ConfigError` where the file or the heads are missing or hold another network, and
    `DataError` where their checksums are not what their names promise.
    """

    def __init__(self, net: Net, trunk: Path, settings: LpipsSettings | None = None) -> None:
        if net not in get_args(Net):
            raise ConfigError(f"LPIPS has no network {net!r}, only {', '.join(get_args(Net))}")
        own = settings or LpipsSettings()
        self.net, self.settings = net, own
        digest, heads = _checked_sha256(trunk), _heads_path(net)
        self._device = own.device or torch.device("cpu")
        self._layers = _read_trunk(net, trunk).to(self._device, own.dtype)
        self._heads = [head.to(self._device) for head in _read_heads(heads)]
        self.embedding_size = self._vectors(torch.zeros(1, 3, own.size, own.size)).shape[1]
        dtype = str(own.dtype).removeprefix("torch.")
        self.signature = (
            f"lpips|net:{net}|v:0.1|in:u8|resize:{own.size}-bicubic-pil|dtype:{dtype}"
            f"|rows:{own.rows}|trunk:sha256:{digest[:16]}|heads:sha256:{HEADS_SHA256[net][:16]}"
            "|impl:1"
        )

    def encode(self, images: Sequence[Image]) -> Embeddings:
        """uint8 RGB ``(3, h, w)`` each => float32 ``(n, embedding_size)``; row i from image i."""
        return map_rows(
            self._block, imaging.stack_square(images, self.settings.size), self.settings.rows
        )

    def _block(self, pixels: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
        scaled = torch.from_numpy(pixels).to(self.settings.dtype) / 127.5 - 1
        rows: np.ndarray = self._vectors(scaled).float().cpu().numpy()
        return rows

    @torch.inference_mode()
    def _vectors(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """``pixels`` lie in [-1, 1]."""
        rows = pixels.to(self._device, self.settings.dtype)
        shift, scale = (rows.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        layers = _activations(self._layers, TAPS[self.net], (rows - shift) / scale)
        return torch.cat(
            [_weighted(x, head) for x, head in zip(layers, self._heads, strict=True)], dim=1
        )


def _activations(layers: nn.Sequential, taps: tuple[int, ...], rows: Tensor) -> Iterator[Tensor]:
    for k, layer in enumerate(layers):
        rows = layer(rows)
        if k in taps:
            yield rows


def _weighted(x: Float[Tensor, "n c h w"], head: Float[Tensor, " c"]) -> Float[Tensor, "n d"]:
    """Unit length over channels (zeros stay zeros), times root of weight over places.

    In float32 at least: half precision has no 1e-10, and zeros would become NaN.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    length = x.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON
    root = (head / x[0, 0].numel()).sqrt()
    return (x / length * root[:, None, None]).flatten(1)


def _read_trunk(net: Net, path: Path) -> nn.Sequential:
    """The convolutions of torchvision's network; nothing is drawn at random for them."""
    from torchvision.models import alexnet, vgg16

    build = {"alex": alexnet, "vgg": vgg16}[net]
    with torch.device("meta"):
        layers: nn.Sequential = build(weights=None).features
    layers = layers[: TAPS[net][-1] + 1]
    wanted = {f"features.{name}": name for name in layers.state_dict()}
    state = {wanted[key]: tensor for key, tensor in read_state(path).items() if key in wanted}
    require_layout(path, state, layers.state_dict())
    layers.load_state_dict(state, assign=True)
    return layers.eval().requires_grad_(requires_grad=False)


def _read_heads(path: Path) -> list[Float[Tensor, " c"]]:
    state = read_state(path)
    heads = [state[f"lin{k}.model.1.weight"].flatten() for k in range(5)]
    if any((head < 0).any() for head in heads):
        raise DataError(f"{path}: negative weights, so that it is not a distance")
    return heads


def _heads_path(net: Net) -> Path:
    """The heads in the installed package `lpips`, found without importing it."""
    package = importlib.util.find_spec("lpips")
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ConfigError("the package lpips is not installed", fix="pip install lpips")
    path = Path(folders[0]) / "weights" / "v0.1" / f"{net}.pth"
    if not path.is_file() or file_sha256(path) != HEADS_SHA256[net]:
        raise DataError(f"{path}: not the heads of lpips 0.1.4", fix="Install lpips==0.1.4.")
    return path


def _checked_sha256(path: Path) -> str:
    """sha256 of the trunk; a name as torchvision gives it holds the first digits."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", fix="Put torchvision's weights there.")
    digest, promised = file_sha256(path), _HUB_NAME.search(path.name)
    if promised and not digest.startswith(promised.group(1)):
        raise DataError(f"{path}: sha256 begins with {digest[:8]}, its name says otherwise")
    return digest
