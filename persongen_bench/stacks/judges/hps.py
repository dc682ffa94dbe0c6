"""HPSv2: open_clip's ViT-H/14 with the weights of the Human Preference Score.

Wu et al. 2023, "Human Preference Score v2". The score is the cosine of picture and text; the
benchmark's tables print it times 100. Two versions were published, 2.0 and 2.1, whose numbers do
not compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from jaxtyping import Float, Int64
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

from persongen_bench.stacks.judges.checkpoint import fill, read_state

INSIDE = "state_dict"
"""Key of the weights in the published files."""


class HpsNetwork(nn.Module):
    """An open_clip `CLIP` as a `persongen_bench.stacks.judges.encoder.JudgeNetwork`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # an open_clip.CLIP
        super().__init__()
        self.model = model

    def images(self, pixels: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n d"]:
        """Image embeddings, not normalised."""
        rows: Tensor = self.model.encode_image(pixels)
        return rows

    def texts(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n d"]:
        """Text embeddings, not normalised."""
        rows: Tensor = self.model.encode_text(ids)
        return rows


def architecture() -> dict[str, Any]:
    """open_clip's own configuration of ViT-H-14; its activation is the exact GELU."""
    config = open_clip.get_model_config("ViT-H-14")
    if config is None or config.get("quick_gelu"):
        raise RuntimeError("open_clip no longer has the ViT-H-14 that HPSv2 was trained on")
    return dict(config)


def new(config: Mapping[str, Any]) -> Any:  # noqa: ANN401  # an open_clip.CLIP
    """The network without weights; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        return open_clip.CLIP(**config)


def open_hps_network(config: Mapping[str, Any], weights: Path) -> HpsNetwork:
    """The network with the weights of a file (half-precision ones are widened)."""
    return HpsNetwork(fill(new(config), read_state(weights, inside=INSIDE), weights))


@cache
def _tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()


def tokens(texts: Sequence[str]) -> Int64[np.ndarray, "n 77"]:
    """open_clip's token numbers; a longer text is cut and keeps its end mark."""
    return np.asarray(_tokenizer()(list(texts)).numpy())
