"""People who are not there: tasteworld's answer a study as they like, and others as they please.

A person sees the worth of each picture with fresh noise, as tasteworld's people rate: the better
one is chosen where the two differ by more than a tie's width, and neither where both look bad. That
noise is what a repeat shows; who does not look answers without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.study.folder import code_hash
from persongen_bench.study.records import Answer, Choice, Key, Session, Study, Trial, Truth
from persongen_bench.worlds.tasteworld.attributes import COUNTS, N_SCENES
from persongen_bench.worlds.tasteworld.people import People

Behaviour = Literal["careful", "random", "left", "fast", "ties", "quits"]
Worth = Callable[[Truth, int], float]
"""How much the person of a trial likes its picture at a place: mean 0, variance 1 over scenes."""
PICKED = {"own-taste": (8, "own"), "common-taste": (12, "common"), "sketches": (2, "sketch"),
          "any": (1, "own")}  # fmt: skip
"""Methods of known order: each shows the best of so many scenes, by the person's own taste or by
what people have in common, or the best of so many sketches, which some people like and others do
not."""
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


@dataclass(frozen=True)
class Design:
    """What every simulated participant is asked."""

    pairs: int = 40
    """Main trials; a tenth is repeated."""
    catches: int = 4
    ranked: bool = False
    """Rankings of all methods in place of pairs."""


@dataclass(frozen=True)
class Simulated:
    """A study with its key, and who takes part."""

    study: Study
    key: Key
    codes: tuple[str, ...]
    scenes: dict[str, int]
    """Sample => scene that it shows."""
    persons: tuple[int, ...]
    """Of each session: row of the population."""

    def worth(self, people: People) -> Worth:
        """True worth; the right picture of a catch trial is a liked one, the other is not."""
        values = {
            (str(number), sample): float(people.final[person, scene])
            for number, person in enumerate(self.persons)
            for sample, scene in self.scenes.items()
            if sample.startswith(f"{number}/")
        }

        def of(truth: Truth, place: int) -> float:
            if truth.role.startswith("catch"):
                return 1.5 if truth.methods[place] == "copy" else -0.7
            return values[truth.user, truth.samples[place]]

        return of


def picked(
    people: People, persons: Int[np.ndarray, " n"], method: str, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """A scene that a method of `PICKED` shows to each person."""
    best_of, way = PICKED[method]
    drawn = rng.integers(0, N_SCENES, (len(persons), best_of))
    if way == "sketch":  # the style varies fastest, and sketches are the last one
        drawn += COUNTS[-1] - 1 - drawn % COUNTS[-1]
    taste = people.shared if way == "common" else people.final
    best = taste[persons[:, None], drawn].argmax(axis=1)
    return np.asarray(drawn[np.arange(len(persons)), best])


def simulated_study(
    people: People,
    persons: Sequence[int] | Int[np.ndarray, " n"],
    rng: np.random.Generator,
    design: Design | None = None,
    methods: Sequence[str] = tuple(PICKED),
) -> Simulated:
    """A first-person study of `PICKED` methods, sides and orders balanced, in `records`' form."""
    asks, names = design or Design(), tuple(methods)
    who = np.asarray(persons)
    sessions: list[Session] = []
    truths: list[Truth] = []
    scenes: dict[str, int] = {}
    codes = tuple(f"code-{int(rng.integers(1 << 62)):016x}" for _ in who)
    for case in range(asks.pairs):
        for name in names:
            shown = picked(people, who, name, rng)
            scenes |= {f"{p}/{case}/{name}": int(scene) for p, scene in enumerate(shown)}
    for number, code in enumerate(codes):
        own = _truths(number, names, asks)
        truths += own
        trials = tuple(_trial(own[k]) for k in rng.permutation(len(own)))
        sessions.append(Session(code=code_hash(code), trials=trials))
    study = Study(
        id=f"simulated-{int(rng.integers(1 << 40)):x}", title="Simulated people",
        preset="ragar-rank" if asks.ranked else "pairs", person="first", consent="",
        instructions="", questions={"taste": "Which picture do you like better?"},
        sessions=tuple(sessions),
    )  # fmt: skip
    key = Key(study=study.id, seed=0, methods=names, runs=(), truths=tuple(truths))
    return Simulated(study, key, codes, scenes, tuple(int(p) for p in who))


def _truths(number: int, names: tuple[str, ...], asks: Design) -> list[Truth]:
    m, user = len(names), str(number)
    pairs = [(i, j) for i in range(m) for j in range(i)]
    main = []
    for case in range(asks.pairs):
        turn, which = divmod(case + number, len(pairs))
        shown: tuple[int, ...] = pairs[which] if turn % 2 else pairs[which][::-1]
        if asks.ranked:
            shown = tuple((k + case + number) % m for k in range(m))
        main.append(_truth(f"{number}-{case}", user, case, tuple(names[k] for k in shown)))
    again = [
        truth.model_copy(update={
            "trial": f"{truth.trial}-again", "methods": truth.methods[::-1],
            "samples": truth.samples[::-1], "role": "repeat", "repeats": truth.trial,
        })
        for truth in main[: round(0.1 * asks.pairs)]
    ]  # fmt: skip
    return [*main, *again, *(_catch(number, k) for k in range(asks.catches))]


def _truth(trial: str, user: str, case: int, methods: tuple[str, ...]) -> Truth:
    samples = tuple(f"{user}/{case}/{name}" for name in methods)
    return Truth(trial=trial, user=user, methods=methods, samples=samples, request=str(case))


def _catch(number: int, k: int) -> Truth:
    sides = ("copy", "wrong-user")
    return Truth(
        trial=f"{number}-catch-{k}", user=str(number), methods=sides[::-1] if k % 2 else sides,
        samples=("", ""), role="catch-copy", right="second" if k % 2 else "first",
    )  # fmt: skip


def _trial(truth: Truth) -> Trial:
    kind = "pair" if len(truth.methods) == 2 else "rank"
    pictures = tuple(f"{truth.trial}-{k}" for k in range(len(truth.methods)))
    return Trial(id=truth.trial, kind=kind, question="taste", pictures=pictures)


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
            said = seen.answer(trial, values, how)
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
        self, trial: Trial, values: Float[np.ndarray, " pictures"], how: Behaviour
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
