"""DINOv2 (Oquab et al. 2023) as a judge: the class token behind the last norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.judges.checkpoint import open_transformer
from persongen_bench.stacks.judges.pixels import IMAGENET, SquarePixels

PREPARATION = SquarePixels(224, "crop", 256, IMAGENET)
"""What the published processor does: shorter side to 256, the middle 224 x 224."""


class DinoNetwork(nn.Module):
    """A `Dinov2Model` as a `persongen_bench.stacks.judges.encoder.JudgeNetwork`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # a Dinov2Model
        super().__init__()
        self.model = model

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """``pooler_output``: the normed class token."""
        rows: Tensor = self.model(pixel_values=pixels).pooler_output
        return rows


def read_config(path: Path) -> Dinov2Config:
    """The architecture in a ``config.json``; raises `ConfigError` where it is none."""
    try:
        return Dinov2Config.from_json_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not the configuration of a DINOv2 ({error})") from None


def open_dino_network(config: Dinov2Config, weights: Path) -> DinoNetwork:
    """The network with the weights of a file."""
    return DinoNetwork(open_transformer(Dinov2Model, config, weights))
