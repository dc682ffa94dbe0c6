"""How people who are not there answer: tasteworld's as they like, and others as they please.

A person sees the worth of each picture with fresh noise, as tasteworld's people rate: the better
one is chosen where the two differ by more than a tie's width, and neither where both look bad. That
noise is what a repeat shows; who does not look answers without it. Who looks also reads a picture
that says that it be chosen, but for a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.study.folder import code_hash
from persongen_bench.study.records import Answer, Choice, Trial, Truth
from persongen_bench.study.simulated import Simulated, Worth

Behaviour = Literal["careful", "random", "left", "fast", "ties", "quits"]
CAREFUL_SECONDS = (1.0, 6.0)
FAST_SECONDS = (0.05, 0.3)
_OPTIONS: tuple[Choice, ...] = ("first", "second", "tie", "both-bad")
_LIKED = 0.4
"""Share of likes among elicited ratings; no estimate reads them."""
_QUITS = 0.3
"""Share of the trials that a person answers who quits."""


@dataclass(frozen=True)
class Eyes:
    """How people look, where the standard deviation of taste is 1."""

    noise: float = 0.7
    """Standard deviation of how a picture looks from time to time."""
    tie: float = 0.3
    """Difference below which two pictures are liked equally."""
    bad: float = -0.5
    """Worth below which a picture looks bad."""
    overlooks: float = 0.02
    """Share of the pictures with an instruction that are judged like any other."""


def answered(
    simulated: Simulated,
    worth: Worth,
    rng: np.random.Generator,
    behaviours: Sequence[Behaviour] = (),
    eyes: Eyes | None = None,
) -> list[Answer]:
    """The answers of all participants, in the order of their sessions.

    Args:
        simulated: the study.
        worth: what pictures are worth to whom.
        rng: the only source of randomness.
        behaviours: of each participant; beyond its end they are careful.
        eyes: how they look.
    """
    truths = {truth.trial: truth for truth in simulated.key.truths}
    found = []
    codes = {code_hash(code): code for code in simulated.codes}
    for number, session in enumerate(simulated.study.sessions):
        code = codes[session.code]
        how = behaviours[number] if number < len(behaviours) else "careful"
        trials = session.trials
        if how == "quits":
            trials = trials[: round(_QUITS * len(trials))]
        pace = FAST_SECONDS if how == "fast" else CAREFUL_SECONDS
        seconds = rng.uniform(*pace, len(trials))
        for trial, time in zip(trials, seconds.tolist(), strict=True):
            truth = truths[trial.id]
            values = np.array([worth(truth, k) for k in range(len(truth.methods))])
            seen = _Looking(simulated.study.choices, eyes or Eyes(), rng)
            said = seen.answer(trial, truth, values, how)
            about = {"study": simulated.study.id, "code": code, "trial": trial.id}
            clock = {"milliseconds": 1000 * time, "said_at": "2026-01-01T00:00:00Z"}
            found.append(Answer.model_validate(about | clock | said))
    return found


@dataclass(frozen=True)
class _Looking:
    """How somebody answers a trial."""

    choices: tuple[Choice, ...]
    eyes: Eyes
    rng: np.random.Generator

    def answer(
        self, trial: Trial, truth: Truth, values: Float[np.ndarray, " pictures"], how: Behaviour
    ) -> dict[str, object]:
        if trial.kind == "elicit":
            return {"rating": "like" if self.rng.random() < _LIKED else "dislike"}
        looks = values + self.eyes.noise * self.rng.standard_normal(len(values))
        if trial.kind == "rank":
            order = np.argsort(-looks)
            if how in ("random", "fast"):
                order = self.rng.permutation(len(values))
            elif how in ("left", "ties"):
                order = np.arange(len(values))
            return {"order": tuple(order.tolist())}
        if how in ("random", "fast"):
            return {"choice": self.choices[self.rng.integers(len(self.choices))]}
        if how == "left" or (how == "ties" and "tie" not in self.choices):
            return {"choice": "first"}
        told = truth.role == "catch-told" and self.rng.random() >= self.eyes.overlooks
        if told and how != "ties":
            return {"choice": truth.right}
        said = _OPTIONS[2 if how == "ties" else int(looked(looks, self.eyes))]
        if said not in self.choices:
            said = "first" if looks[0] > looks[1] else "second"
        return {"choice": said}


def looked(looks: Float[np.ndarray, "*batch pictures"], eyes: Eyes) -> Int[np.ndarray, "*batch"]:
    """What is said of two pictures that look so: 0 the first, 1 the second, 2 a tie, 3 both bad."""
    gap = looks[..., 0] - looks[..., 1]
    preferred = np.where(gap > 0, 0, 1)
    said = np.where(np.abs(gap) < eyes.tie, 2, preferred)
    return np.asarray(np.where((looks < eyes.bad).all(axis=-1), 3, said))
