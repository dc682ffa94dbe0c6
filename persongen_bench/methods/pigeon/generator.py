"""The mask generator: how much of what matters each token holds (eq. 2, 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name
from torch.nn.utils.rnn import pad_sequence

from persongen_bench.methods.pigeon.config import MaskConfig

PAD, HISTORY, REFERENCE = range(3)
"""Types of tokens."""


@dataclass(frozen=True)
class Layout:
    """Tokens of several requests as the encoder reads them: history, then reference."""

    tokens: Tensor
    """float32 ``(b, l, d)``: raw token embeddings, 0 where there is none."""
    positions: Tensor
    """int64 ``(b, l)``: place of a token in its own picture."""
    types: Tensor
    """int64 ``(b, l)``: `PAD`, `HISTORY` or `REFERENCE`."""


def lay_out(histories: Sequence[Sequence[Tensor]], references: Sequence[Tensor]) -> Layout:
    """Row i holds the pictures of ``histories[i]`` and then ``references[i]``, ``(t, d)`` each."""
    rows, places, types = [], [], []
    for history, reference in zip(histories, references, strict=True):
        pictures = [*history, reference]
        rows.append(torch.cat(pictures))
        places.append(torch.cat([torch.arange(len(p), device=p.device) for p in pictures]))
        kinds = torch.full((len(rows[-1]),), HISTORY, device=reference.device)
        kinds[len(kinds) - len(reference) :] = REFERENCE
        types.append(kinds)
    padded = (pad_sequence(part, batch_first=True) for part in (rows, places, types))
    return Layout(*padded)


class MaskGenerator(nn.Module):
    """A transformer encoder over all pictures of a request; score = cos(output, token).

    As released: sinusoidal positions that start again in every picture, three type embeddings,
    one LayerNorm used before and after the encoder, a dense layer, tanh.
    """

    def __init__(self, width: int, n_positions: int, config: MaskConfig) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, config.mask_heads, config.mask_hidden_size, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.mask_layers, enable_nested_tensor=False)
        self.types = nn.Embedding(3, width, padding_idx=PAD)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.dense = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.mask_dropout)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(n_positions, width), persistent=False)

    def forward(self, layout: Layout) -> Tensor:
        """Scores ``(b, l)`` in [-1, 1]; those of padding say nothing."""
        placed = layout.tokens + self.positions[layout.positions] + self.types(layout.types)
        inputs = self.dropout(self.norm(placed))
        encoded = self.encoder(inputs, src_key_padding_mask=layout.types == PAD)
        outputs = self.dropout(torch.tanh(self.dense(self.norm(encoded))))
        return F.cosine_similarity(outputs, layout.tokens, dim=-1)


def sinusoids(n: int, width: int) -> Tensor:
    """``(n, width)``: sines in the even, cosines in the odd columns (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(n)[:, None] * rates[None]
    table = torch.zeros(n, width)
    table[:, 0::2] = torch.sin(angles)
    table[:, 1::2] = torch.cos(angles)[:, : width // 2]
    return table
