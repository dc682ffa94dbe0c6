"""A convolutional encoder that computes principal components of 8 x 8 patches, exactly.

Training a small `AutoencoderKL` from noise costs hours on a CPU before small coloured objects
survive it; the first principal components of the patches keep them with no training at all. The
stock encoder can hold that linear map: its residual branches are switched off, its strided
convolutions gather 2 x 2 neighbours, and its last activation is undone by carrying every
component with both signs, since ``silu(z) - silu(-z) = z``. The group norm before it is held
still by large constants of both signs in every group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, UInt8
from torch import nn

PATCH = 8
_ANCHOR = 40.0
_LOG_VARIANCE = -14.0
_LEAST_DEVIATION = 0.6


@dataclass(frozen=True)
class Basis:
    """A linear map from patches (RGB in [-1, 1], ``3 * 8 * 8`` numbers) to latents."""

    mean: Float[np.ndarray, " p"]
    components: Float[np.ndarray, "z p"]
    """One row per latent channel, orthogonal, divided by the component's deviation (at least 0.6,
    so that faint components are not blown up)."""

    @property
    def mean_latent(self) -> Float[np.ndarray, " z"]:
        """What is to be added to the components of a patch that is not centred."""
        return np.asarray(-self.components @ self.mean, dtype=np.float32)

    def latents(self, pictures: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n z gh gw"]:
        """Latents of pictures, float32."""
        latents = (patches(pictures, PATCH) - self.mean) @ self.components.T
        return np.ascontiguousarray(latents.transpose(0, 3, 1, 2), dtype=np.float32)


def patches(pictures: UInt8[np.ndarray, "n 3 h w"], size: int) -> Float[np.ndarray, "n gh gw p"]:
    """Patches flattened as (channel, row, column), values in [-1, 1]."""
    n, channels, height, width = pictures.shape
    scaled = pictures.astype(np.float32) / 127.5 - 1
    parts = scaled.reshape(n, channels, height // size, size, width // size, size)
    return parts.transpose(0, 2, 4, 1, 3, 5).reshape(
        n, height // size, width // size, channels * size * size
    )


def principal_basis(pictures: UInt8[np.ndarray, "n 3 h w"], n_components: int) -> Basis:
    """The leading principal components of the patches of ``pictures``."""
    mean, vectors, deviations = _principal(pictures, PATCH, n_components)
    return Basis(mean, vectors / np.maximum(deviations, _LEAST_DEVIATION)[:, None])


def _principal(
    pictures: UInt8[np.ndarray, "n 3 h w"], size: int, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = patches(pictures, size).reshape(-1, 3 * size * size).astype(np.float64)
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((rows - mean).T))
    leading = vectors[:, ::-1][:, :n].T
    signs = np.sign(leading[np.arange(n), np.abs(leading).argmax(axis=1)])
    return mean, leading * signs[:, None], np.sqrt(values[::-1][:n])


@torch.no_grad()
def install(model: AutoencoderKL, basis: Basis, pictures: UInt8[np.ndarray, "n 3 h w"]) -> None:
    """Give the encoder of ``model`` (8-fold downsampling) the weights that compute ``basis``.

    Between 4 x 4 and 8 x 8 only as many components of the 4 x 4 patches of ``pictures`` pass as
    the encoder is wide; what that loses is far below the smallest component.
    """
    encoder: Any = model.encoder
    for module in encoder.modules():
        if type(module).__name__ == "ResnetBlock2D":
            _clear(module.conv2)
            if module.conv_shortcut is not None:
                _identity(module.conv_shortcut)
    _identity(encoder.conv_in)
    width = encoder.down_blocks[1].downsamplers[0].conv.out_channels
    _, middle, _ = _principal(pictures, PATCH // 2, min(width, 48))
    quarters = basis.components.reshape(len(basis.components), 3, 2, 4, 2, 4)
    downs = [block.downsamplers[0].conv for block in encoder.down_blocks[:-1]]
    _gather(downs[0], np.eye(12).reshape(12, 3, 2, 2))
    _gather(downs[1], _after_gather(middle.reshape(-1, 3, 2, 2, 2, 2)))
    last = np.einsum("zcaibj,kcij->zkab", quarters, middle.reshape(-1, 3, 4, 4))
    _gather(downs[2], last)
    downs[2].bias[: len(basis.mean_latent)] = torch.from_numpy(basis.mean_latent)
    _signed(encoder, len(basis.components))
    _identity(model.quant_conv)


def _after_gather(kernels: Float[np.ndarray, "k 3 2 2 2 2"]) -> Float[np.ndarray, "k 12 2 2"]:
    """Kernels over (channel, row, column) of 4 x 4 pixels as kernels over gathered 2 x 2 cells.

    Axes of the input: channel, coarse row, fine row, coarse column, fine column.
    """
    moved = kernels.transpose(0, 1, 3, 5, 2, 4)
    return moved.reshape(len(kernels), 12, 2, 2)


def _clear(layer: nn.Conv2d) -> None:
    layer.weight.zero_()
    if layer.bias is not None:
        layer.bias.zero_()


def _identity(layer: nn.Conv2d) -> None:
    _clear(layer)
    middle = layer.kernel_size[0] // 2
    for channel in range(min(layer.in_channels, layer.out_channels)):
        layer.weight[channel, channel, middle, middle] = 1


def _gather(layer: nn.Conv2d, kernels: Float[np.ndarray, "k c 2 2"]) -> None:
    """Weights of a strided 3 x 3 convolution that sees the 2 x 2 pixels of its own cell."""
    _clear(layer)
    layer.weight[: len(kernels), : kernels.shape[1], :2, :2] = torch.from_numpy(kernels).float()


def _signed(encoder: Any, n: int) -> None:  # noqa: ANN401  # the encoder of an AutoencoderKL
    """Carry ``n`` channels with both signs through the last norm and activation."""
    spread = encoder.down_blocks[-1].resnets[0].conv_shortcut
    norm, out = encoder.conv_norm_out, encoder.conv_out
    size = norm.num_channels // norm.num_groups
    each = -(-n // norm.num_groups)
    if size < 2 * each + 2:
        raise ValueError(f"groups of {size} channels cannot carry {each} components")
    for layer in (spread, out):
        _clear(layer)
    for group in range(norm.num_groups):
        start = group * size
        spread.bias[start + 2 * each], spread.bias[start + 2 * each + 1] = _ANCHOR, -_ANCHOR
        for i, latent in enumerate(range(group * each, min(n, (group + 1) * each))):
            for sign, channel in ((1, start + 2 * i), (-1, start + 2 * i + 1)):
                spread.weight[channel, latent] = sign
                out.weight[latent, channel, 1, 1] = sign
    norm.weight.fill_(_ANCHOR * (2 / size) ** 0.5)
    norm.bias.zero_()
    out.bias[n:] = _LOG_VARIANCE
