"""Stage 0: special tokens and mapper learn to say what the text encoder says (ours, after GILL).

The paper does not mention it, and without it there is nothing to reflect on. Its texts are the
subjects of catalogue items with keywords behind them that other items have: what requests ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from persongen_bench.methods.ragar.config import GeneratorConfig
from persongen_bench.methods.ragar.detail import DetailedFeatures
from persongen_bench.methods.ragar.losses import semantic_loss
from persongen_bench.methods.ragar.preferences import Preferences
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.methods.ragar.words import joined, preference_prompt
from persongen_bench.util.training import Step, TrainingPlan, Workshop, train


class Example(NamedTuple):
    """A prompt for the language model, and the text whose states it is to give."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Examples:
    """Subjects of the catalogue with consistent keywords of other items."""

    subjects: Sequence[str]
    keyword_lists: Sequence[Sequence[str]]
    preferences: Preferences

    def draw(self, n: int, rng: np.random.Generator) -> list[Example]:
        """``n`` examples; every number of keywords is as likely, none included."""
        return [self._one(rng) for _ in range(n)]

    def _one(self, rng: np.random.Generator) -> Example:
        subject = self.subjects[int(rng.integers(len(self.subjects)))]
        words: tuple[str, ...] = ()
        if self.keyword_lists:
            other = self.keyword_lists[int(rng.integers(len(self.keyword_lists)))]
            shuffled = [other[k] for k in rng.permutation(len(other))]
            words = self.preferences.consistent(subject, shuffled)
            words = words[: int(rng.integers(len(words) + 1))]
        return Example(preference_prompt(subject, words), joined(subject, words))


def fit_detail(
    detail: DetailedFeatures,
    examples: Examples,
    states: TextStates,
    config: GeneratorConfig,
    workshop: Workshop,
    seed: int,
) -> None:
    """Minimise the distance of D's rows to the text encoder's, averaged over rows (eq. 14).

    AdamW at GILL's rate with a short warm-up, then half a cosine (GILL keeps it constant).
    """
    if config.mapper_steps == 0:
        detail.eval().requires_grad_(False)
        return
    plan = TrainingPlan(
        steps=config.mapper_steps, batch_size=config.mapper_batch_size,
        learning_rate=config.mapper_learning_rate, seed=seed % (1 << 32),
    )  # fmt: skip

    def loss(step: Step) -> Mapping[str, Tensor]:
        drawn = examples.draw(plan.batch_size, step.rng)
        target = states.batch([one.text for one in drawn])
        said = detail([one.prompt for one in drawn]).whole
        return {"loss": semantic_loss(said, target.to(said))}

    train(detail, loss, plan, workshop, "train special tokens and mapper")
