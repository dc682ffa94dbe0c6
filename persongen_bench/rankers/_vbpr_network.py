"""What `vbpr.Vbpr` learns, as a module of torch, with the loss that it is learned by."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from persongen_bench.rankers.ranker import RankingData


class Network(nn.Module):
    """Vectors and biases of users, items and features; drawn by ``seed``.

    ``lengths``: of the vectors that know nothing of pictures, and of the visual ones.
    """

    def __init__(
        self, data: RankingData, n_features: int, lengths: tuple[int, int], seed: int
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def start(n: int, m: int, scale: float) -> nn.Parameter:
            return nn.Parameter(scale * torch.randn(n, m, generator=generator))

        n_users, n_items = len(data.users), len(data.items)
        n_factors, n_visual = lengths
        self.user_factors = start(n_users, n_factors, 0.1)
        self.item_factors = start(n_items, n_factors, 0.1)
        self.item_bias = nn.Parameter(torch.zeros(n_items))
        self.user_visual = start(n_users, n_visual, 0.1)
        self.projection = start(n_features, n_visual, n_features**-0.5)
        self.visual_bias = nn.Parameter(torch.zeros(n_features))

    def loss(
        self, features: Tensor, triples: tuple[Tensor, ...], decays: tuple[float, float]
    ) -> Tensor:
        """Mean negative log-likelihood of the pairs' order, and the decay of what they touch.

        ``decays``: weights of the vectors that know nothing of pictures, and of the visual ones.
        """
        user, liked, other = triples
        p, t = self.user_factors[user], self.user_visual[user]
        q, r = self.item_factors[liked], self.item_factors[other]
        bias = self.item_bias[liked] - self.item_bias[other]
        moved = features[liked] - features[other]
        margin = bias + (p * (q - r)).sum(1) + (t * (moved @ self.projection)).sum(1)
        margin = margin + moved @ self.visual_bias
        plain = p.square().sum() + q.square().sum() + r.square().sum() + bias.square().sum()
        seen = t.square().sum() / len(user) + self.projection.square().mean()
        decay = decays[0] * plain / len(user) + decays[1] * seen
        return -nn.functional.logsigmoid(margin).mean() + 0.5 * decay
