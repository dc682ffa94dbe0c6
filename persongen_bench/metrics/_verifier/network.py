"""The network that is trained; `scoring` computes the same logits from its arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.metrics._verifier.config import VerifierConfig


class UserItemPairs(NamedTuple):
    """Positions of ``b`` pairs in the table of users and in a stack of embeddings."""

    user: Tensor
    item: Tensor


class VerifierNetwork(nn.Module):
    """``bias_u + w . e + v . (p_u * P e) + h . MLP([q_u, Q e])``.

    While ``personal`` is False the last two terms, which know users from one another by more than
    their bias, are left out. With ``common=False`` the first two, ``v`` and the bias in P are.
    """

    def __init__(self, n_users: int, embedding_size: int, config: VerifierConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.personal = True
        self.user_bias = nn.Parameter(torch.zeros(n_users))
        self.linear = nn.Linear(embedding_size, 1)
        nn.init.zeros_(self.linear.weight)
        if config.gmf_size:
            self.gmf_user = _table(n_users, config.gmf_size, config)
            self.gmf_item = nn.Linear(embedding_size, config.gmf_size)
            self.gmf_head = nn.Parameter(torch.ones(config.gmf_size))
            if config.quality_first:
                nn.init.zeros_(self.gmf_user)
        if config.mlp_size:
            self.mlp_user = _table(n_users, config.mlp_size, config)
            self.mlp_item = nn.Linear(embedding_size, config.mlp_size)
            self.first = nn.Linear(2 * config.mlp_size, config.hidden[0])
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(config.hidden))
            self.mlp_head = nn.Linear(config.hidden[-1], 1, bias=False)
            if config.quality_first:
                nn.init.zeros_(self.mlp_head.weight)
        if not config.common:
            self._leave_out_common()

    def _leave_out_common(self) -> None:
        """Hold at 0, and the factorisation's weights at 1, what users share."""
        zero = [self.user_bias, *self.linear.parameters()]
        fixed = list(zero)
        if hasattr(self, "gmf_user"):
            zero.append(self.gmf_item.bias)
            fixed += [self.gmf_item.bias, self.gmf_head]
        for parameter in zero:
            nn.init.zeros_(parameter)
        for parameter in fixed:
            parameter.requires_grad = False

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters of bias and linear term, and those of the personal branches."""
        common = [self.user_bias, *self.linear.parameters()]
        known = {id(p) for p in common}
        return common, [p for p in self.parameters() if id(p) not in known]

    def forward(
        self, embeddings: Tensor, pairs: UserItemPairs, noise: torch.Generator | None = None
    ) -> Tensor:
        """``(m, E)`` embeddings and b pairs => ``(b,)`` logits; ``noise``: draws the dropout."""
        total: Tensor = self.linear(embeddings)[pairs.item, 0] + self.user_bias[pairs.user]
        if not self.personal:
            return total
        if hasattr(self, "gmf_user"):
            factors = self.gmf_item(embeddings) * self.gmf_head
            total = total + (factors[pairs.item] * self.gmf_user[pairs.user]).sum(dim=1)
        if hasattr(self, "mlp_user"):
            total = total + self._mlp(embeddings, pairs, noise)
        return total

    def _mlp(
        self, embeddings: Tensor, pairs: UserItemPairs, noise: torch.Generator | None
    ) -> Tensor:
        # The first layer acts on user and image separately, once for each of them.
        first = self.first
        width = self.mlp_user.shape[1]
        of_users = F.linear(self.mlp_user, first.weight[:, :width], first.bias)
        of_items = F.linear(self.mlp_item(embeddings), first.weight[:, width:])
        h = self._active(of_users[pairs.user] + of_items[pairs.item], noise)
        for layer in self.layers:
            h = self._active(layer(h), noise)
        out: Tensor = self.mlp_head(h)[:, 0]
        return out

    def _active(self, h: Tensor, noise: torch.Generator | None) -> Tensor:
        h = F.relu(h)
        if noise is None or not self.dropout:
            return h
        kept = torch.rand(h.shape, generator=noise) >= self.dropout
        return h * kept / (1 - self.dropout)


def _table(n_users: int, size: int, config: VerifierConfig) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(n_users, size), std=config.table_sd))
