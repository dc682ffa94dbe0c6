"""Options of REBECA."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from persongen_bench.methods.prior.config import PriorConfig
from persongen_bench.methods.prior.layers import TimeFrequencies

Block: TypeAlias = Literal["released", "printed"]


class RebecaConfig(PriorConfig):
    """REBECA; the defaults are the winning configuration (appendix E.2) and the released code."""

    n_tokens: int = Field(default=32, ge=1)
    """Tokens an embedding is split into; divides the embedding size."""
    n_layers: int = Field(default=6, ge=1)
    """Blocks."""
    n_heads: int = Field(default=8, ge=1)
    """Attention heads; divides ``hidden_size``."""
    hidden_size: int = Field(default=128, ge=1)
    """Width H of the tokens inside the network."""
    time_freqs: TimeFrequencies = "reference"
    """``reference``: time frequencies from 1 up to 1e4, as released; ``standard``: down to 1e-4."""
    block: Block = "released"
    """``released``: as the code was published, where the self-attention does not start at zero and
    the cross-attention replaces the residual stream by its normalised copy; ``printed``: as
    appendix D has it, AdaLN-Zero with a gate and every residual pathway at zero to begin with."""

    added: ClassVar[tuple[str, ...]] = (*PriorConfig.added, "block")


class NoUserConfig(RebecaConfig):
    """REBECA without user embedding."""

    use_user: Literal[False] = False
    """Always off."""
