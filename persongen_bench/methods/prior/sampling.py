"""Drawing embeddings from a prior, each from its own seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from persongen_bench.methods.prior.config import PriorConfig, RequestedRating
from persongen_bench.methods.prior.diffusion import Step, reverse_steps, to_clean
from persongen_bench.methods.prior.layers import PriorNetwork

ROWS = 16
"""Samples per network call, at most (both guidance branches go through it together, as 32 rows).

With 32 samples the published network asks the system for new memory at every layer.
"""
ROWS_ON_GPU = 512
"""The same where the network is not on a CPU: its calls cost the same up to some hundred rows."""
FEW = 4
"""Samples per call, at least; multiples of it are what a kernel likes best."""
_STREAM = 0x5EBECA
"""Keeps the prior's noise apart from what the decoder draws from the same seed."""
RATINGS: Mapping[RequestedRating, int] = {"dislike": 0, "like": 1}
"""Rows of the rating table."""
Trials: TypeAlias = dict[tuple[object, ...], int]
"""What trials have shown: rows of a call, by number of samples and kind of call."""
_TRIALS: WeakKeyDictionary[PriorNetwork, Trials] = WeakKeyDictionary()


def sample_embeddings(
    network: PriorNetwork,
    config: PriorConfig,
    users: Int64[np.ndarray, " n"],
    seeds: Int64[np.ndarray, " n"],
) -> Float[np.ndarray, "n E"]:
    """One embedding per row; row i depends on ``users[i]`` and ``seeds[i]`` alone, to the bit."""
    drawn = np.zeros((len(users), network.embedding_size), dtype=np.float32)
    n_blocks = -(-len(users) // _full(network))
    trials = _TRIALS.setdefault(network, {})
    if config.sampling_precision == "bfloat16":
        network = _halved(network)
    with torch.inference_mode():
        for rows in np.array_split(np.arange(len(users)), n_blocks) if n_blocks else ():
            user = torch.from_numpy(users[rows].astype(np.int64))
            noise = [_generator(int(seed)) for seed in seeds[rows]]
            drawn[rows] = _Block(network, config, user, noise, trials).sample().cpu().numpy()
    return drawn


class _Block:
    """Samples that go through the network together.

    Kernels may round rows by how many there are (`util.batching`). So a block that is not full is
    filled up with copies of its last row, unless a trial shows that its rows come out the same to
    the bit without them.
    """

    def __init__(
        self,
        network: PriorNetwork,
        config: PriorConfig,
        user: Tensor,
        noise: list[torch.Generator],
        trials: Trials,
    ) -> None:
        self.network, self.config, self.noise = network, config, noise
        self.device, self.full = network.device, _full(network)
        self.steps = reverse_steps(config)
        self.n_guided = round(config.guidance_stop * len(self.steps))
        self.start = self._draw()
        user = user.to(self.device)
        self.user = filled(user, self._rows(user, trials))

    def sample(self) -> Tensor:
        """``(n, E)``."""
        n, x, last = len(self.noise), self.start, torch.zeros_like(self.start)
        for k, step in enumerate(self.steps):
            predicted = self._predict(filled(x, len(self.user)), self.user, step, k < self.n_guided)
            clean = to_clean(predicted[:n], x, step.alpha, self.config)
            x = step.keep * x + step.clean * clean
            if step.before:
                x = x + step.before * last
            if step.noise:
                x = x + step.noise * self._draw()
            last = clean
        return x

    def _predict(self, x: Tensor, user: Tensor, step: Step, guided: bool) -> Tensor:
        half = self.config.sampling_precision == "bfloat16"
        rating = torch.full_like(user, RATINGS[self.config.rating])
        time = step.time.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            if guided:
                scale = self.config.guidance_scale
                predicted = self.network.guided(x, time, user, rating, scale)
            else:
                predicted = self.network(x, time.expand(len(x)), user, rating)
        return predicted.float()

    def _rows(self, user: Tensor, known: Trials) -> int:
        """The least rows of a call that give each sample the bits of a full block."""
        n = len(user)
        how = (self.config.sampling_precision, torch.get_num_threads(), self.device)
        kind = (n, *how, *self._kinds())
        if kind not in known:
            fewest = (max(n, FEW), -(-n // FEW) * FEW)
            full = self._trial(user, self.full) if n < self.full else []
            same = (m for m in fewest if m < self.full and _equal(self._trial(user, m), full))
            known[kind] = next(same, self.full)
        return known[kind]

    def _trial(self, user: Tensor, rows: int) -> list[Tensor]:
        """Predictions ``(n, E)`` of each kind that there is, in calls of ``rows``."""
        x, users = filled(self.start, rows), filled(user, rows)
        made = [self._predict(x, users, self.steps[0], guided) for guided in self._kinds()]
        return [each[: len(user)] for each in made]

    def _kinds(self) -> tuple[bool, ...]:
        """Whether there are calls with guidance, and without."""
        return (True,) * (self.n_guided > 0) + (False,) * (self.n_guided < len(self.steps))

    def _draw(self) -> Tensor:
        shape = (1, self.network.embedding_size)
        drawn = [torch.randn(shape, generator=each) for each in self.noise]
        return torch.cat(drawn).to(self.device)


def _full(network: PriorNetwork) -> int:
    return ROWS if network.device.type == "cpu" else ROWS_ON_GPU


def _halved(network: PriorNetwork) -> PriorNetwork:
    """A copy whose matrix products are in bfloat16 without casting weights at every step."""
    copied = deepcopy(network)
    for module in copied.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = module.weight.data.bfloat16()
    return copied


def _equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(map(torch.equal, some, others))


def filled(rows: Tensor, n: int) -> Tensor:
    """``rows`` with copies of the last one behind them, until they are ``n``."""
    short = n - len(rows)
    return rows if short <= 0 else torch.cat([rows, rows[-1:].expand(short, *rows.shape[1:])])


def _generator(seed: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, _STREAM]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))
