"""The published vision transformer (Dosovitskiy et al. 2021): the class token behind the norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.diffusion.image_encoder import Normalisation
from persongen_bench.stacks.judges.checkpoint import open_transformer
from persongen_bench.stacks.judges.pixels import SquarePixels

HALVES = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def preparation(config: ViTConfig) -> SquarePixels:
    """What the published processor does, but for its bilinear filter: both sides to the size."""
    return SquarePixels(config.image_size, "squash", None, HALVES)


class VitNetwork(nn.Module):
    """A `ViTModel` as a `persongen_bench.stacks.judges.encoder.JudgeNetwork`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # a ViTModel
        super().__init__()
        self.model = model

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """The class token of the last layer, normed."""
        tokens: Tensor = self.model(pixel_values=pixels).last_hidden_state
        return tokens[:, 0]


def read_config(path: Path) -> ViTConfig:
    """The architecture in a ``config.json``; raises `ConfigError` where it is none."""
    try:
        return ViTConfig.from_json_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not the configuration of a ViT ({error})") from None


def open_vit_network(config: ViTConfig, weights: Path) -> VitNetwork:
    """The network with the weights of a file, its unused pooling layer included."""
    return VitNetwork(open_transformer(ViTModel, config, weights))
