"""The adapter of the visual vector: r_v = Adapter(v_0) (eq. 6, and below it)."""

from __future__ import annotations

from torch import Tensor, nn

from persongen_bench.methods.pigeon.config import PromptConfig


class VisualAdapter(nn.Module):
    """``(b, embedding_size)`` => ``(b, width)``: two linear layers, then tanh, as released.

    There is no bend between the layers, and no entry beyond 1.
    """

    def __init__(self, embedding_size: int, width: int, config: PromptConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(embedding_size, config.adapter_hidden_size),
            nn.Dropout(config.adapter_dropout),
            nn.Linear(config.adapter_hidden_size, width),
            nn.Tanh(),
            nn.Dropout(config.adapter_dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The visual part of the prompt."""
        vector: Tensor = self.layers(features)
        return vector
