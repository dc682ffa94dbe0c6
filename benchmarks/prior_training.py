"""Training of REBECA's prior against a plain loop over the published recipe.

Run ``python benchmarks/prior_training.py --shape flickr-aes`` (or ``--shape sandbox``) on an idle
machine. The plain loop is what the paper's appendix E and its released scripts describe: a
`DataLoader` over single ratings, a sampler that draws up to 100 ratings per user and epoch, batches
of 64, AdamW as torch has it, the network put together from torch's own modules, the loss and the
norms of the gradients read after every step. Both sides start from the same weights. They are
measured in turns, so that what else the machine does hurts both, and the best turn counts.

With the published network most of a step are matrix products, which no loop makes faster: in
float32 the ratio is bounded by them (about 1.4 on the processor of docs/results.md).
``precision="bfloat16"`` of the method does these products in half precision, with weights, sums
and validation in float32; whether the validation loss stays the same is printed too.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name
from torch.utils.data import DataLoader, Dataset, Sampler

from persongen_bench.methods.prior.layers import NULL_RATING, build
from persongen_bench.methods.prior.ratings import RatingTensors, TrainingData, epoch_rows
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.method import SANDBOX
from persongen_bench.methods.rebeca.network import PriorBlock, RebecaPrior

TARGET = 2.0
"""Least accepted ratio of samples per second, of the faster precision."""
AGREES = 0.02
"""Accepted relative difference of the validation losses after the same number of steps."""
FEWEST = 48
"""Ratings of a user, at least."""
SEED = 0


@dataclass(frozen=True)
class Shape:
    """Sizes of the data, and the network with its recipe."""

    n_users: int
    n_ratings: int
    n_items: int
    embedding_size: int
    options: dict[str, object]


_NETWORK = ("n_tokens", "n_layers", "n_heads", "hidden_size")
SHAPES = {
    "flickr-aes": Shape(210, 193_208, 40_000, 1024, {}),
    "sandbox": Shape(150, 20_000, 4000, 64, {name: SANDBOX[name] for name in _NETWORK}),
}


class PlainNorm(nn.Module):
    """LayerNorm with scale and shift from the condition."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size, elementwise_affine=False)
        self.scale, self.shift = nn.Linear(size, size), nn.Linear(size, size)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``(b, n, H)`` and ``(b, H)`` => ``(b, n, H)``."""
        scale, shift = self.scale(condition)[:, None], self.shift(condition)[:, None]
        out: Tensor = self.norm(x) * (1 + scale) + shift
        return out


class PlainBlock(nn.Module):
    """A block of the prior from torch's modules."""

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([PlainNorm(size) for _ in range(3)])
        self.to_self = nn.MultiheadAttention(size, n_heads, batch_first=True)
        self.to_condition = nn.MultiheadAttention(size, n_heads, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: Tensor, tokens: Tensor, condition: Tensor) -> Tensor:
        """``(b, n, H)``, ``(b, 3, H)``, ``(b, H)`` => ``(b, n, H)``."""
        h = self.norms[0](x, condition)
        x = x + self.to_self(h, h, h, need_weights=False)[0]
        h = self.norms[1](x, condition)
        x = h + self.gate * self.to_condition(h, tokens, tokens, need_weights=False)[0]
        out: Tensor = x + self.mlp(self.norms[2](x, condition))
        return out

    def take_over(self, block: PriorBlock) -> None:
        """Copy the weights of our block."""
        for norm, layer in zip(self.norms, block.modulations, strict=True):
            for name in ("weight", "bias"):
                scale, shift = getattr(layer, name).chunk(2)
                getattr(norm.scale, name).copy_(scale)
                getattr(norm.shift, name).copy_(shift)
        pairs = ((self.to_self, block.self_attention), (self.to_condition, block.cross_attention))
        for plain, ours in pairs:
            plain.in_proj_weight.copy_(ours.project.weight)
            plain.in_proj_bias.copy_(ours.project.bias)
            plain.out_proj.load_state_dict(ours.out.state_dict())
        self.gate.copy_(block.gate)
        self.mlp.load_state_dict(block.mlp.state_dict())


class PlainPrior(nn.Module):
    """The published network from torch's modules, with the weights of ours."""

    def __init__(self, ours: RebecaPrior, config: RebecaConfig) -> None:
        super().__init__()
        size, self.n_tokens, self.null_user = config.hidden_size, config.n_tokens, ours.null_user
        self.split, self.n_inputs = _like(ours.split), ours.split.in_features
        self.project_in, self.project_out = _like(ours.project_in), _like(ours.project_out)
        self.user, self.rating = (
            nn.Embedding(
                table.num_embeddings, table.embedding_dim, _weight=table.weight.detach().clone()
            )
            for table in (ours.user, ours.rating)
        )
        self.time = _like(ours.time.mlp)
        self.condition = _like(ours.condition)
        blocks = [PlainBlock(size, config.n_heads) for _ in ours.blocks]
        self.blocks = nn.ModuleList(blocks)
        self.head, self.merge = _like(ours.head), _like(ours.merge)
        with torch.no_grad():
            for block, other in zip(blocks, cast("list[PriorBlock]", ours.blocks), strict=True):
                block.take_over(other)

    def forward(self, x: Tensor, time: Tensor, user: Tensor, rating: Tensor) -> Tensor:
        """As `RebecaPrior.forward`."""
        frequencies = torch.linspace(0, math.log(10_000.0), 128, device=time.device).exp()
        angles = time[:, None].float() * frequencies
        moment = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        tokens = torch.stack([self.user(user), self.rating(rating), moment], dim=1)
        condition = self.condition(tokens.mean(dim=1))
        hidden = self.project_in(self.split(x).view(len(x), self.n_tokens, -1))
        for block in self.blocks:
            hidden = block(hidden, tokens, condition)
        out: Tensor = self.merge(self.project_out(self.head(hidden)).reshape(len(x), -1))
        return out


def _like(module: nn.Module) -> nn.Module:
    """A copy with weights of its own."""
    copies = [_like(child) for child in module.children()]
    if isinstance(module, nn.Linear):
        made = nn.Linear(module.in_features, module.out_features)
        made.load_state_dict(module.state_dict())
        return made
    return nn.Sequential(*copies) if copies else nn.SiLU()


class RatedImages(Dataset[dict[str, Any]]):
    """One rating at a time, from the columns of a table."""

    def __init__(self, table: pd.DataFrame, embeddings: Tensor) -> None:
        self.users, self.likes = table["user"].to_numpy(), table["like"].to_numpy()
        self.items, self.embeddings = table["item"].to_numpy(), embeddings

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "user": self.users[index],
            "like": self.likes[index],
            "embedding": self.embeddings[self.items[index]],
        }


class PerUser(Sampler[int]):
    """Up to ``n`` ratings of every user, anew in each epoch, in random order."""

    def __init__(self, table: pd.DataFrame, n: int, rng: np.random.Generator) -> None:
        self.rows = {user: list(part.index) for user, part in table.groupby("user")}
        self.n, self.rng = n, rng

    def __iter__(self) -> Iterator[int]:
        drawn: list[int] = []
        for rows in self.rows.values():
            drawn.extend(self.rng.choice(rows, size=min(self.n, len(rows)), replace=False))
        return iter(self.rng.permutation(drawn).tolist())


class PlainLoop:
    """The recipe as a plain training loop, where the network is; noise is drawn there."""

    def __init__(self, network: PlainPrior, trainer: PriorTrainer, config: RebecaConfig) -> None:
        rows, self.network, self.config = trainer.train, network, config
        self.device = next(network.parameters()).device
        columns = {"user": rows.user, "item": rows.item, "like": rows.rating}
        table = pd.DataFrame({name: values.numpy() for name, values in columns.items()})
        assert config.ratings_per_user is not None
        sampler = PerUser(table, config.ratings_per_user, np.random.default_rng(SEED))
        data = RatedImages(table, trainer.embeddings.cpu())
        self.loader = DataLoader(data, sampler=sampler, batch_size=config.batch_size)
        self.schedule = DDPMScheduler(
            num_train_timesteps=config.n_timesteps,
            beta_schedule=config.beta_schedule,
            clip_sample=False,
        )
        self.generator = torch.Generator(self.device).manual_seed(SEED)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def run(self, n_steps: int) -> int:
        """Train for ``n_steps`` steps, epoch after epoch; returns the samples seen."""
        seen = steps = 0
        while True:
            for batch in self.loader:
                parts = (batch["embedding"], batch["user"].long(), batch["like"].long())
                seen += self._step(*(part.to(self.device) for part in parts))
                steps += 1
                if steps == n_steps:
                    return seen

    def _step(self, clean: Tensor, user: Tensor, like: Tensor) -> int:
        self.optimizer.zero_grad(set_to_none=True)
        n, g = len(user), self.generator
        drawn: dict[str, Any] = {"generator": g, "device": self.device}
        noise = torch.randn(clean.shape, **drawn)
        time = torch.randint(0, self.config.n_timesteps, (n,), **drawn)
        noisy = self.schedule.add_noise(clean, noise, time)
        no_user = torch.rand(n, **drawn) < self.config.user_dropout
        no_rating = torch.rand(n, **drawn) < self.config.rating_dropout
        user = torch.where(no_user, torch.full_like(user, self.network.null_user), user)
        like = torch.where(no_rating, torch.full_like(like, NULL_RATING), like)
        loss = F.mse_loss(self.network(noisy, time, user, like), clean)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        loss.item()
        sum(p.grad.norm(2).item() for p in self.network.parameters() if p.grad is not None)
        return n


def our_steps(trainer: PriorTrainer, n_steps: int) -> int:
    """`PriorTrainer`'s own steps, epoch after epoch; returns the samples seen."""
    seen, size = 0, trainer.config.batch_size
    while n_steps > 0:
        drawn = epoch_rows(trainer.train.user, trainer.config.ratings_per_user, trainer.generator)
        rows = drawn[: n_steps * size]
        trainer.run_batches(rows)
        seen, n_steps = seen + len(rows), n_steps - math.ceil(len(rows) / size)
    return seen


def draw_counts(shape: Shape, rng: np.random.Generator) -> Int[np.ndarray, " users"]:
    """Ratings of every user, long-tailed, at least `FEWEST`, ``n_ratings`` in all."""
    share = rng.lognormal(0, 1.2, shape.n_users)
    counts: np.ndarray = np.maximum(FEWEST, share / share.sum() * shape.n_ratings).astype(int)
    above = counts - FEWEST
    surplus = max(0, counts.sum() - shape.n_ratings)
    counts -= np.ceil(above * (surplus / max(1, above.sum()))).astype(int)
    counts[np.argmax(counts)] += shape.n_ratings - counts.sum()
    return counts


def draw_data(shape: Shape) -> TrainingData:
    """Long-tailed raters; embeddings are sixteen random centres plus noise, each user likes five.

    So there is something to learn, and the validation loss can tell a broken side from a sound one.
    """
    rng = np.random.default_rng(SEED)
    user = np.repeat(np.arange(shape.n_users), draw_counts(shape, rng))
    item = rng.integers(0, shape.n_items, len(user))
    centre = rng.integers(0, 16, shape.n_items)
    centres = rng.normal(size=(16, shape.embedding_size))
    noise = rng.normal(size=(shape.n_items, shape.embedding_size))
    fond = rng.permuted(np.tile(np.arange(16) < 5, (shape.n_users, 1)), axis=1)
    liked = rng.random(len(user)) < np.where(fond[user, centre[item]], 0.8, 0.2)
    rows = (torch.from_numpy(part) for part in (item, user, liked.astype(np.int64)))
    embeddings = (0.8 * centres[centre] + 0.6 * noise).astype(np.float32)
    return TrainingData(torch.from_numpy(embeddings), RatingTensors(*rows))


Side: TypeAlias = tuple[nn.Module, Callable[[int], int], PriorTrainer]


def make_sides(shape: Shape) -> dict[str, Side]:
    """Network, steps and trainer (for its validation rows) of each side, from the same weights."""
    data = draw_data(shape)
    sides: dict[str, Side] = {}
    for precision in ("float32", "bfloat16"):
        config = RebecaConfig.model_validate({**shape.options, "precision": precision})
        generator = torch.Generator().manual_seed(SEED)
        constructor = partial(RebecaPrior, config, shape.embedding_size, shape.n_users)
        network = build(constructor, generator)
        trainer = PriorTrainer(network, data, config, generator)
        if precision == "float32":
            plain = PlainPrior(network, config)
            sides["plain loop"] = (plain, PlainLoop(plain, trainer, config).run, trainer)
        sides[f"ours, {precision}"] = (network, partial(our_steps, trainer), trainer)
    return sides


@torch.no_grad()
def validation_loss(network: nn.Module, trainer: PriorTrainer) -> float:
    """Mean loss on the trainer's validation rows with its fixed noise, in float32."""
    rows, (time_, noise) = trainer.validation, trainer.validation_noise
    clean = trainer.embeddings[rows.item]
    noisy = trainer.schedule.add_noise(clean, noise, time_)
    parts = torch.split(torch.arange(len(rows)), 512)
    total = sum(
        float(F.mse_loss(network(noisy[p], time_[p], rows.user[p], rows.rating[p]), clean[p]))
        * len(p)
        for p in parts
    )
    return total / len(rows)


def main() -> None:
    """Print samples per second, ratios and validation losses; exit status 1 on a missed target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="flickr-aes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="per round and side")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = SHAPES[options.shape]
    sides = make_sides(shape)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    before = {name: validation_loss(network, t) for name, (network, _, t) in sides.items()}
    for _ in range(options.rounds):
        for name, (_, steps, _) in sides.items():
            start = time.perf_counter()
            seen = steps(options.steps)
            rates[name].append(seen / (time.perf_counter() - start))
    best = {name: max(rounds) for name, rounds in rates.items()}
    losses = {name: validation_loss(network, t) for name, (network, _, t) in sides.items()}
    n_epoch = int(torch.bincount(draw_data(shape).ratings.user).clamp(max=100).sum())
    print(
        f"{options.shape}: {shape.n_users} users, {shape.n_ratings} ratings, "
        f"{shape.embedding_size}-d; batches of 64, {options.threads} threads, "
        f"{options.rounds} x {options.steps} steps each"
    )
    for name, rate in best.items():
        print(
            f"{name:15s} {rate:8.0f} samples/s   ratio {rate / best['plain loop']:5.2f}   epoch of "
            f"{n_epoch} {n_epoch / rate:7.1f} s   validation loss {before[name]:.4f} -> "
            f"{losses[name]:.4f}"
        )
    ratio = max(best.values()) / best["plain loop"]
    spread = max(losses.values()) / min(losses.values()) - 1
    met = ratio >= TARGET and spread <= AGREES
    print(
        f"target: ratio >= {TARGET:g} and losses within {AGREES:.0%}: {'met' if met else 'MISSED'}"
    )
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
