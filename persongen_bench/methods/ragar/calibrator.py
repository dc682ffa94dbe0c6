"""The balance calibrator (eq. 9): the detailed feature looks at the keywords' global one."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.errors import ConfigError


class BalanceCalibrator(nn.Module):
    """P = D + CrossAttention(D, G).

    Both are normalised first, and the output projection starts at zero, so that P is D to the bit
    until it is trained (ours).
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        if width % n_heads:
            raise ConfigError(
                f"calibrator_heads={n_heads} does not divide the prompt states' width of {width}",
                fix="Change calibrator_heads.",
            )
        self.norm_detail, self.norm_global = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, n_heads, batch_first=True)
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)

    def forward(
        self, detail: Float[Tensor, "b rows w"], overall: Float[Tensor, "b more w"]
    ) -> Float[Tensor, "b rows w"]:
        """``detail``: D, which asks; ``overall``: G, which answers."""
        query, key = self.norm_detail(detail), self.norm_global(overall)
        added: Tensor = self.attention(query, key, key, need_weights=False)[0]
        return detail + added
