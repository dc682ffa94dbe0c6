"""Train LoRAs and words of several users at once, and one after the other: CPU seconds of each.

    OMP_NUM_THREADS=1 python benchmarks/finetune_batched.py [--users 8] [--steps 20] [--rounds 3]

The decoder is that of the stack sandbox, the options are its preset's, the pictures are random.
Sides of `lora-user`: a peft LoRA for one user after the other, our layers for one after the other,
and for all at once; of `textual-inversion` the last two. The times are those of the processor, of
the fastest round, rounds interleaved; pictures are encoded before. What is learned in float32 must
be the same within `APART`, in bfloat16 the loss within `LOSS`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from persongen_bench.core import registry
from persongen_bench.core.progress import no_progress
from persongen_bench.core.roles import Adapter
from persongen_bench.core.types import Catalog, Image
from persongen_bench.methods.finetune.config import Tier
from persongen_bench.methods.finetune.lora import injected
from persongen_bench.methods.finetune.pipeline import Text, frozen
from persongen_bench.methods.finetune.studio import CaptionedItem, Fit, Learned, Lesson, Studio
from persongen_bench.methods.finetune.training import Bench, FinetuneTrainer, Schedule
from persongen_bench.methods.lora_user import LoraUser
from persongen_bench.methods.textual_inversion import TextualInversion

TARGET = 3.0
"""Least accepted ratio of the fastest side to the first."""
APART = 1e-3
"""Accepted relative difference of the weights in float32, over all of a user's."""
LOSS = 0.02
"""Accepted relative difference of the mean loss in bfloat16."""
N_LIKED = 40
FIT = Fit("benchmark", 0, None, no_progress)


class Noise:
    """Pictures of random squares."""

    def open(self, rows: pd.DataFrame) -> list[Image]:
        """uint8 ``(3, 64, 64)``, a function of the item."""
        return [_picture(int(item)) for item in rows.index]


def _picture(number: int) -> Image:
    squares = np.random.default_rng(number).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    return squares.repeat(8, axis=1).repeat(8, axis=2)


class PeftStudio(Studio):
    """LoRAs as peft has them, one user after the other."""

    def loras(self, lessons: Sequence[Lesson], tier: Tier) -> list[Learned]:
        """The recipe of `Studio.loras` on layers of peft."""
        return [self._alone(lesson, tier) for lesson in lessons]

    def _alone(self, lesson: Lesson, tier: Tier) -> Learned:
        (seeds,) = self.begin([lesson])
        schedule = Schedule(tier.n_steps, tier.n_warmup_steps, self.config.learning_rate_schedule)
        with injected(self.denoiser.pipeline.unet, tier, seeds.generator("start")) as lora:

            def loss(step: int, k: int) -> Tensor:
                number = step * self.config.n_accumulation_steps + k
                lora.dropout.manual_seed(seeds.number("dropout", number))
                (rows,) = self._chosen([seeds], [lesson], number)
                text = Text.joined([self._text(row.caption) for row in rows])
                return self._loss([rows], text, [seeds.generator("step", number)])[0]

            trainer = FinetuneTrainer(lora.parameters, self.config, self.denoiser.dtype)
            bench = Bench(lesson.owner, None, no_progress)
            with torch.enable_grad():
                losses = trainer.train(loss, schedule, bench, "steps")
            return Learned(Adapter(lora=lora.weights(), alpha=tier.alpha), losses)


Side = Callable[[], list[Learned]]


def lessons_of(n_users: int) -> list[Lesson]:
    """Random pictures that everybody likes others of."""
    rng = np.random.default_rng(0)
    items = (rng.choice(20 * N_LIKED, N_LIKED, replace=False) for _ in range(n_users))
    return [
        Lesson(f"user-{k}", [CaptionedItem(str(item), "") for item in mine])
        for k, mine in enumerate(items)
    ]


def sides_of(method: Any, pipeline: Any, options: argparse.Namespace) -> dict[str, Side]:  # noqa: ANN401
    """What is compared, the oldest first; pictures are encoded."""
    lessons = lessons_of(options.users)
    catalog = Catalog(pd.DataFrame(index=[str(k) for k in range(20 * N_LIKED)]), Noise())

    def studio(kind: type[Studio], precision: str = "float32") -> tuple[Studio, Any]:
        asked = {**method.presets["sandbox"], "precision": precision}
        if method is TextualInversion:
            asked["n_steps"] = options.steps
        config = method.Config.model_validate(asked)
        made = kind(pipeline, config, catalog, FIT)
        made.begin(lessons)
        return made, config

    def train(made: tuple[Studio, Any], groups: Sequence[Sequence[Lesson]]) -> list[Learned]:
        own, config = made
        if method is TextualInversion:
            return [one for group in groups for one in own.words(group, config)]
        tier = config.tiers[-1].model_copy(update={"n_steps": options.steps})
        return [one for group in groups for one in own.loras(group, tier)]

    plain, half, peft = studio(Studio), studio(Studio, "bfloat16"), studio(PeftStudio)
    alone = [[lesson] for lesson in lessons]
    before = {"peft, one by one": lambda: train(peft, alone)} if method is LoraUser else {}
    return {
        **before,
        "one by one": lambda: train(plain, alone),
        "at once": lambda: train(plain, [lessons]),
        "at once, bfloat16": lambda: train(half, [lessons]),
    }


def apart(one: Sequence[Learned], other: Sequence[Learned]) -> float:
    """Largest relative difference over users of all that was learned."""

    def flat(learned: Learned) -> np.ndarray:
        parts = {**learned.adapter.lora, **learned.adapter.words}
        return np.concatenate([parts[name].ravel() for name in sorted(parts)])

    pairs = [(flat(a), flat(b)) for a, b in zip(one, other, strict=True)]
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


def compare(name: str, sides: dict[str, Side], n_rounds: int) -> bool:
    """Print one method's table; whether times and weights are as they should be."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    learned: dict[str, list[Learned]] = {}
    for _ in range(n_rounds):
        for side, run in sides.items():
            start = time.process_time()
            learned[side] = run()
            seconds[side].append(time.process_time() - start)
    best = {side: min(rounds) for side, rounds in seconds.items()}
    first, met = next(iter(sides)), True
    for side, own in best.items():
        weights = apart(learned[first], learned[side])
        mean = [float(np.mean([one.losses for one in learned[k]])) for k in (first, side)]
        met &= abs(mean[1] / mean[0] - 1) <= LOSS if "float16" in side else weights <= APART
        print(
            f"{name:18s} {side:18s} {own:7.2f} CPU s   {best[first] / own:5.2f} times   "
            f"weights {weights:.1e} off   mean loss {mean[1]:.4f}"
        )
    print(f"{name}: same weights in float32, same loss in bfloat16: {'yes' if met else 'NO'}")
    return met and best[first] / min(best.values()) >= TARGET


def main() -> None:
    """Print CPU seconds, ratios and differences; exit status 1 on a missed target."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = registry.get("stacks", "sandbox")().role("decoder").pipeline
    met = []
    with frozen(pipeline):
        for name, method in (("lora-user", LoraUser), ("textual-inversion", TextualInversion)):
            met.append(compare(name, sides_of(method, pipeline, options), options.rounds))
    print(f"target: {TARGET:g} times: {'met' if all(met) else 'MISSED'}")
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
