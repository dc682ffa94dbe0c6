"""The modal mapper (GILL's; paper 002, sec. Generation): special tokens' states to prompt rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class MapperShape:
    """Sizes of a `ModalMapper`."""

    n_inputs: int
    """Width of the language model."""
    n_queries: int
    """Rows that come out."""
    n_outputs: int
    """Width of the decoder's prompt states."""
    size: int = 512
    n_layers: int = 4
    n_heads: int = 4


class ModalMapper(nn.Module):
    """``(b, r, n_inputs)`` => ``(b, n_queries, n_outputs)``.

    A linear layer, an encoder-decoder transformer (normalised first, four times as wide between,
    no dropout) whose decoder is fed by learned queries, and a linear layer.
    """

    def __init__(self, shape: MapperShape) -> None:
        super().__init__()
        size, n_heads, wide = shape.size, shape.n_heads, 4 * shape.size
        encoder = nn.TransformerEncoderLayer(
            size, n_heads, wide, dropout=0.0, batch_first=True, norm_first=True
        )
        decoder = nn.TransformerDecoderLayer(
            size, n_heads, wide, dropout=0.0, batch_first=True, norm_first=True
        )
        self.inward = nn.Linear(shape.n_inputs, size)
        self.encoder = nn.TransformerEncoder(
            encoder, shape.n_layers, nn.LayerNorm(size), enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(decoder, shape.n_layers, nn.LayerNorm(size))
        self.queries = nn.Parameter(nn.init.normal_(torch.empty(shape.n_queries, size)))
        self.outward = nn.Linear(size, shape.n_outputs)
        for layer in (self.encoder, self.decoder):
            for weight in layer.parameters():
                if weight.ndim > 1:
                    nn.init.xavier_uniform_(weight)

    def forward(self, tokens: Float[Tensor, "b r d"]) -> Float[Tensor, "b q w"]:
        """Row i of the result from row i alone."""
        memory = self.encoder(self.inward(tokens))
        queries = self.queries.expand(len(tokens), -1, -1)
        out: Tensor = self.outward(self.decoder(queries, memory))
        return out
