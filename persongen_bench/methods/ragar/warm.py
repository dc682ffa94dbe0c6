"""The calibrator's warm start on keywords (ours): before a ranking model has a say.

A reward is a weak teacher; what the keywords mean is known. The calibrator is brought to give the
text encoder's states of the reference's text with the keywords behind it, which do not contradict
it any more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from persongen_bench.methods.ragar.config import GeneratorConfig
from persongen_bench.methods.ragar.generator import Generator
from persongen_bench.methods.ragar.losses import semantic_loss
from persongen_bench.methods.ragar.pool import Pool
from persongen_bench.util.training import Step, TrainingPlan, Workshop, train

BATCH = 32
"""Training requests per step."""


def warm_up(
    generator: Generator, pool: Pool, config: GeneratorConfig, workshop: Workshop, seed: int
) -> None:
    """Minimise the distance of P's rows to those states over the calibrator alone."""
    if not generator.calibrated or config.warm_steps == 0:
        return
    plan = TrainingPlan(
        steps=config.warm_steps, batch_size=BATCH,
        learning_rate=config.warm_learning_rate, seed=seed % (1 << 32),
    )  # fmt: skip
    generator.calibrator.requires_grad_(True)

    def loss(step: Step) -> Mapping[str, Tensor]:
        rows = torch.from_numpy(step.rng.integers(len(pool), size=BATCH))
        made = generator.general(pool.detail[rows], pool.overall[rows])
        return {"loss": semantic_loss(made, pool.whole[rows])}

    train(generator.calibrator, loss, plan, workshop, "start the calibrator")
