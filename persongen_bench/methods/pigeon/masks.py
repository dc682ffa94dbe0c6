"""Which tokens stay: top-k of noisy scores, straight through, in two phases (eq. 4, 2.2.4)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

Phase = Literal["fit", "inference"]
Scheme = Literal["none", "low", "high", "dual"]
Kind = Literal["differentiable", "released"]


def keep_count(n: int, ratio: float) -> int:
    """Tokens that stay of ``n`` where ``ratio`` in [0, 1] is hidden: ``max(1, n (1 - ratio))``.

    Rounded down; at least one, so that a ratio of 1 leaves one token, and a picture of a single
    token keeps it at any ratio (as released). Of none, none stay.
    """
    return min(n, max(1, int(n * (1.0 - ratio) + 1e-9)))


def gumbel(n: int, seed: int) -> Tensor:
    """``(n,)`` draws of the standard Gumbel distribution, from ``seed`` alone."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(n, generator=generator, dtype=torch.float64)
    return -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12))).float()


def keep_mask(logits: Tensor, n_kept: int, noise: Tensor | None = None) -> Tensor:
    """``(n,)`` of 0 and 1: the ``n_kept`` largest of ``logits + noise`` stay.

    The value is hard, the gradient that of the softmax (straight through, temperature 1). Where
    all stay there is nothing to learn, and no gradient. Of equal logits the first stays.
    """
    if n_kept >= len(logits):
        return torch.ones_like(logits)
    soft = F.softmax(logits if noise is None else logits + noise.to(logits), dim=0)
    chosen = torch.argsort(soft.detach(), descending=True, stable=True)[:n_kept]
    hard = torch.zeros_like(soft).index_fill(0, chosen, 1.0)
    return hard - soft.detach() + soft


def history_logits(scores: Tensor) -> Tensor:
    """``(n,)`` scores of all history tokens together => logits of staying: low ones go first."""
    return scores


def reference_logits(scores: Tensor, scheme: Scheme, phase: Phase, kind: Kind) -> Tensor:
    """``(t,)`` scores of the reference's tokens => logits of staying.

    ``dual`` hides the highest in the fit, so that the history must make up for them, and the
    lowest at inference. The released code hides the highest by ``log(1 - softmax(scores))``, which
    is flat to a thousandth.
    """
    hides_high = scheme == "high" or (scheme == "dual" and phase == "fit")
    if not hides_high:
        return scores
    if kind == "differentiable":
        return -scores
    return torch.log1p(-F.softmax(scores, dim=0).clamp(max=1 - 1e-6))
