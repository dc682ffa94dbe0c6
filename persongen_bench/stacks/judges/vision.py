"""The image tower of a CLIP alone, as IP-Adapters store it: OpenCLIP's ViT-bigG/14 (2023)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from persongen_bench.core.errors import ConfigError
from persongen_bench.stacks.judges.checkpoint import open_transformer

ACTIVATION = "gelu"
"""Of LAION's networks; with OpenAI's ``quick_gelu`` they run as well, and give other numbers."""


class VisionNetwork(nn.Module):
    """A `CLIPVisionModelWithProjection` as a `JudgeNetwork` without texts."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # a CLIPVisionModelWithProjection
        super().__init__()
        self.model = model

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Projected image embeddings, not normalised."""
        rows: Tensor = self.model(pixel_values=pixels).image_embeds
        return rows


def read_config(path: Path) -> CLIPVisionConfig:
    """The architecture in a ``config.json``.

    Raises `ConfigError` where it is none, or has another activation than the weights need.
    """
    try:
        config = CLIPVisionConfig.from_json_file(path)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not the configuration of a CLIP tower ({error})") from None
    if config.hidden_act != ACTIVATION:
        raise ConfigError(
            f"{path}: hidden_act is {config.hidden_act!r}, these weights need {ACTIVATION!r}"
        )
    return config


def open_vision_network(config: CLIPVisionConfig, weights: Path) -> VisionNetwork:
    """The network with the weights of a file; half-precision ones are widened."""
    return VisionNetwork(open_transformer(CLIPVisionModelWithProjection, config, weights))
