"""Towers: vectors of items and users that a network makes of ids or of features of pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from persongen_bench.core.types import Embeddings
from persongen_bench.methods.recommenders.features import axes
from persongen_bench.util.batching import blocks
from persongen_bench.util.search import unit

PADDING = -1
"""Position of no item."""
_BLOCK = 2**14


class Items(nn.Module):
    """A vector ``(size,)`` for every item: a row of a table, or a linear map of its features.

    The map starts as the principal axes of the features, so that the first vectors compare as the
    pictures do.
    """

    def __init__(self, size: int, n_items: int, features: Embeddings | None, seed: int) -> None:
        super().__init__()
        self.size, self.n_items = size, n_items
        self.features = None if features is None else unit(features)
        if self.features is None:
            generator = torch.Generator().manual_seed(seed)
            start = torch.randn(n_items, size, generator=generator) / size**0.5
            self.table = nn.Embedding(n_items, size, sparse=True, _weight=start)
        else:
            basis = axes(self.features, size)
            self.project = nn.Linear(len(basis), size, bias=False)
            with torch.no_grad():
                self.project.weight.zero_()
                self.project.weight[: basis.shape[1]] = torch.from_numpy(basis.T)

    def start_from(self, vectors: Embeddings) -> Items:
        """Ids whose first vectors are these."""
        with torch.no_grad():
            self.table.weight.copy_(torch.from_numpy(vectors))
        return self

    def forward(self, items: Tensor) -> Tensor:
        """Vectors of positions ``(...)``: ``(..., size)``; zeros for `PADDING`."""
        inside = items.clamp_min(0)
        if self.features is None:
            out = self.table(inside)
        else:
            out = self.project(torch.from_numpy(self.features[inside.numpy()]))
        return torch.as_tensor(out * (items != PADDING)[..., None])

    def sparse(self) -> list[Tensor]:
        """Parameters whose gradients are rows."""
        return [self.table.weight] if self.features is None else []

    @torch.no_grad()
    def all(self, tower: nn.Module) -> Embeddings:
        """What ``tower`` makes of every item, ``(n_items, size)``."""
        parts = [
            tower(self(torch.arange(part.start, part.stop))).numpy()
            for part in blocks(self.n_items, _BLOCK)
        ]
        return np.concatenate(parts)


class Residual(nn.Module):
    """x + MLP(x), the second layer zero at the start."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        last = nn.Linear(hidden, size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.inner = nn.Sequential(nn.Linear(size, hidden), nn.GELU(), last)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., size)`` to the same."""
        return torch.as_tensor(x + self.inner(x))


def last_items(lists: list[np.ndarray], length: int) -> np.ndarray:
    """The last ``length`` items of each list, ``(n, length)``; `PADDING` stands before them."""
    out = np.full((len(lists), length), PADDING, dtype=np.int64)
    for row, items in enumerate(lists):
        tail = items[-length:]
        if len(tail):
            out[row, -len(tail) :] = tail
    return out


class Optimizers:
    """Adam on weights, and on the rows of tables that a step touches."""

    def __init__(self, network: nn.Module, sparse: list[Tensor], rate: float) -> None:
        rows = {id(p) for p in sparse}
        dense = [p for p in network.parameters() if id(p) not in rows]
        self._all: list[torch.optim.Optimizer] = []
        if dense:
            self._all.append(torch.optim.Adam(dense, lr=rate))
        if sparse:
            self._all.append(torch.optim.SparseAdam(sparse, lr=rate))

    def step(self, loss: Tensor) -> None:
        """One step down ``loss``."""
        for optimizer in self._all:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        for optimizer in self._all:
            optimizer.step()
