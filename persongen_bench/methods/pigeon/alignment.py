"""Stage 2: direct preference optimisation on log-ratios (eq. 10 with the logs it lacks)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.language import MultimodalModel, PromptPart
from persongen_bench.methods.pigeon.pairs import Pair
from persongen_bench.methods.pigeon.studio import Studio
from persongen_bench.methods.tuning.lora import POLICY, REFERENCE
from persongen_bench.methods.tuning.training import (
    Bench,
    Course,
    Facts,
    Judge,
    Trainer,
    Verdict,
    rows,
)

ORDER = 5
"""Purpose of the seed of the batches."""
DIVERGED = 10.0
"""Nats by which the chosen answers may become less likely than under stage 1, unremarked."""


@dataclass(frozen=True)
class LogRatios:
    """log-probabilities of whole answers, ``(b,)`` each, sums over tokens."""

    chosen: Tensor
    rejected: Tensor
    chosen_reference: Tensor
    rejected_reference: Tensor

    @property
    def margins(self) -> Tensor:
        """``(b,)``: how much more the policy prefers the chosen answer than stage 1 does."""
        gained = self.chosen - self.chosen_reference
        return gained - (self.rejected - self.rejected_reference)


def preference_loss(ratios: LogRatios, beta: float) -> Tensor:
    """``(b,)``: ``-log sigmoid(beta * margin)``, ln 2 where policy and reference are one.

    A larger ``beta`` holds the policy nearer to the reference.
    """
    return -F.logsigmoid(beta * ratios.margins)


def align(
    studio: Studio, pairs: Sequence[Pair], agreement: Callable[[], Facts], bench: Bench
) -> list[Facts]:
    """Train the policy's LoRA on the pairs; everything else stays as stage 1 left it.

    ``agreement``: what the validation windows say, its fact ``agreement`` among it. Returns the
    looks; there is nothing to learn from no pairs.
    """
    config = studio.config
    studio.adapters.load(studio.adapters.state(POLICY), REFERENCE)
    if not pairs:
        return []
    judge = within(config.agreement_loss)
    course = Course("preferences", config.dpo_steps, 0, config.dpo_check_every, judge)
    trainer = Trainer([(config.dpo_learning_rate, studio.adapters.parameters(POLICY))], course)
    lesson = Preferences(studio, pairs)
    looks = trainer.train(lesson.loss, lambda: {**agreement(), **lesson.recent()}, bench)
    _warn_if_diverged(looks)
    return looks


def within(share: float) -> Judge:
    """Keeps the last weights whose agreement is no more than ``share`` below the first's."""

    def judge(looks: Sequence[Facts]) -> Verdict:
        first = looks[0]["agreement"]
        fine = looks[-1]["agreement"] >= first - share * abs(first)
        return Verdict(keep=fine, stop=not fine)

    return judge


@dataclass
class Preferences:
    """The loss of a step's batch of pairs; both passes read one prompt with the same masks."""

    studio: Studio
    pairs: Sequence[Pair]
    facts: list[Facts] = field(default_factory=list)

    def loss(self, step: int) -> Tensor:
        """Mean of `preference_loss`; without dropout, so that it is ln 2 at the first step."""
        config = self.studio.config
        size = min(config.dpo_batch_size, len(self.pairs))
        places = rows(len(self.pairs), self.studio.seed + ORDER, step * size, size)
        ratios = log_ratios(self.studio, [self.pairs[place] for place in places])
        losses = preference_loss(ratios, config.beta)
        self.facts.append(_facts(ratios))
        return losses.mean()

    def recent(self) -> Facts:
        """Means of what the steps since the last look saw."""
        kept, self.facts = self.facts, []
        if not kept:
            return {}
        return {name: float(np.mean([facts[name] for facts in kept])) for name in kept[0]}


def log_ratios(studio: Studio, pairs: Sequence[Pair]) -> LogRatios:
    """Both answers of every pair under the policy, with gradients, and under stage 1."""
    prompts = studio.composer.prompts_alone(
        [pair.case for pair in pairs], [pair.setting for pair in pairs]
    )
    policy = likelihoods(studio.models.lmm, prompts, pairs)
    studio.adapters.use(REFERENCE)
    try:
        with torch.no_grad():
            reference = likelihoods(studio.models.lmm, prompts, pairs)
    finally:
        studio.adapters.use(POLICY)
    return LogRatios(*policy.chunk(2), *reference.chunk(2))


def likelihoods(
    lmm: MultimodalModel, prompts: Sequence[Sequence[PromptPart]], pairs: Sequence[Pair]
) -> Tensor:
    """``(2b,)`` log-probabilities of the chosen answers and then of the rejected ones."""
    answers = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    said: Tensor = lmm.log_probabilities([*prompts, *prompts], answers).sum(dim=1)
    return said


def _facts(ratios: LogRatios) -> Facts:
    with torch.no_grad():
        gained = ratios.chosen - ratios.chosen_reference
        lost = ratios.rejected - ratios.rejected_reference
        return {
            "accuracy": float((ratios.margins > 0).float().mean()),
            "chosen": float(ratios.chosen.mean()),
            "chosen_gap": float(gained.mean()),
            "rejected_gap": float(lost.mean()),
        }


def _warn_if_diverged(looks: Sequence[Facts]) -> None:
    gap = min((look.get("chosen_gap", 0.0) for look in looks), default=0.0)
    if gap < -DIVERGED or not math.isfinite(gap):
        warnings.warn(
            f"stage 2 made its chosen answers {-gap:.1f} nats less likely than stage 1 had them; "
            "lower dpo_learning_rate or agreement_loss",
            stacklevel=3,
        )
