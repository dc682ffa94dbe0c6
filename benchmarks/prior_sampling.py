"""Sampling of REBECA's prior against a plain loop over the published recipe, at equal steps.

Run ``python benchmarks/prior_sampling.py`` (the published size) or with ``--shape sandbox``. The
plain loop is what the released scripts do: user after user, 25 images at a time, at every step one
network call for the condition and one without it, the guided sum, one step of diffusers' ancestral
scheduler, all without gradients; the network is put together from torch's own modules, in
evaluation mode, so that torch's fast paths are open to it. Both sides have the same weights, after
a few steps of training, and the same noise, drawn from one generator per image; the embeddings
must be equal. They are measured in turns by CPU time, on one thread, and the best turn counts.

In float32 nearly all of it are matrix products, which both sides have in common: the ratio is
bounded by them. ``sampling_precision="bfloat16"`` halves them; its embeddings are not the same, and
how near they are is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from jaxtyping import Float, Int64
from prior_training import SEED, SHAPES, PlainPrior, Shape, draw_data, our_steps
from torch import Tensor

from persongen_bench.methods.prior.layers import NULL_RATING, build
from persongen_bench.methods.prior.sampling import _generator, sample_embeddings
from persongen_bench.methods.prior.training import PriorTrainer
from persongen_bench.methods.rebeca.config import RebecaConfig
from persongen_bench.methods.rebeca.network import RebecaPrior

TARGET = 1.5
"""Least accepted ratio at equal steps, of the faster precision."""
AGREES = 1e-5
"""Accepted difference of float32 embeddings, as a share of the largest number in them."""
TRAINED = 8
"""Training steps before, so that no gate is shut."""
Embeddings: TypeAlias = Float[np.ndarray, "n E"]
Side: TypeAlias = Callable[[], Embeddings]


def plain_samples(
    network: PlainPrior,
    config: RebecaConfig,
    users: Int64[np.ndarray, " n"],
    seeds: Int64[np.ndarray, " n"],
) -> Embeddings:
    """The recipe as a plain loop: a user's images together, users one after the other."""
    parts = [
        _plain_user(network, config, int(user), seeds[users == user])
        for user in dict.fromkeys(users.tolist())
    ]
    return np.concatenate(parts)


@torch.no_grad()
def _plain_user(
    network: PlainPrior, config: RebecaConfig, user: int, seeds: Int64[np.ndarray, " n"]
) -> Embeddings:
    n, size = len(seeds), network.n_inputs
    generators = [_generator(int(seed)) for seed in seeds]
    scheduler = DDPMScheduler(
        num_train_timesteps=config.n_timesteps,
        beta_schedule=config.beta_schedule,
        clip_sample=False,
        prediction_type="sample",
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(config.n_inference_steps)
    asked, liked = torch.full((n,), user), torch.ones(n, dtype=torch.int64)
    nobody, unrated = torch.full_like(asked, network.null_user), torch.full_like(liked, NULL_RATING)
    x = torch.cat([torch.randn(1, size, generator=each) for each in generators])
    for t in scheduler.timesteps:
        moment = torch.full((n,), int(t))
        without = network(x, moment, nobody, unrated)
        condition = network(x, moment, asked, liked)
        guided: Tensor = without + config.guidance_scale * (condition - without)
        x = scheduler.step(guided, t, x, generator=generators).prev_sample
    return x.numpy()


def make_networks(shape: Shape) -> tuple[RebecaPrior, PlainPrior]:
    """Ours after a few training steps, and the plain one with its weights."""
    config = RebecaConfig.model_validate(shape.options)
    generator = torch.Generator().manual_seed(SEED)
    constructor = partial(RebecaPrior, config, shape.embedding_size, shape.n_users)
    network = build(constructor, generator)
    our_steps(PriorTrainer(network, draw_data(shape), config, generator), TRAINED)
    return network.eval(), PlainPrior(network, config).eval()


def cosine(one: Embeddings, other: Embeddings) -> float:
    """The mean cosine of rows."""
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / norms).mean())


def compare(sides: dict[str, Side], rounds: int, n: int, steps: int) -> bool:
    """Time the sides in turns and print them; whether the target and the agreement are met."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    made: dict[str, Embeddings] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.process_time()
            made[name] = side()
            spent[name].append(time.process_time() - start)
    best = {name: min(times) for name, times in spent.items()}
    truth = made["plain loop"]
    for name, seconds in best.items():
        print(
            f"{steps:5d} steps  {name:15s} {1e3 * seconds / n:9.1f} ms/image   ratio "
            f"{best['plain loop'] / seconds:5.2f}   cosine {cosine(made[name], truth):.6f}"
        )
    difference = float(np.abs(made["ours, float32"] - truth).max() / np.abs(truth).max())
    equal = difference <= AGREES
    print(f"{steps:5d} steps  float32 embeddings differ by {difference:.1e} of the largest number")
    return equal and best["plain loop"] / min(best.values()) >= TARGET


def main() -> None:
    """Print time per image, ratios and agreement; exit status 1 on a missed target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="flickr-aes")
    parser.add_argument("--steps", type=int, nargs="+", default=[1000, 50, 10])
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--images", type=int, default=25, help="per user")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = SHAPES[options.shape]
    ours, plain = make_networks(shape)
    users = np.repeat(np.arange(options.users), options.images)
    seeds = np.arange(len(users)) * 7919
    print(
        f"{options.shape}: {shape.embedding_size}-d, {options.users} users x {options.images} "
        f"images, ancestral DDPM, guidance 7, one thread, best of {options.rounds} by CPU time"
    )
    met = True
    for steps in options.steps:
        sides: dict[str, Side] = {}
        for precision in ("float32", "bfloat16"):
            changes = {"n_inference_steps": steps, "sampling_precision": precision}
            config = RebecaConfig.model_validate({**shape.options, **changes})
            if precision == "float32":
                sides["plain loop"] = partial(plain_samples, plain, config, users, seeds)
            sides[f"ours, {precision}"] = partial(sample_embeddings, ours, config, users, seeds)
        met = compare(sides, options.rounds, len(users), steps) and met
    said = "met" if met else "MISSED"
    print(f"target: ratio >= {TARGET:g} and float32 within {AGREES:g}: {said}")
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
