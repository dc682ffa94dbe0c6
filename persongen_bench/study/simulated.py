"""Studies of people who are not there: tasteworld's, whose taste is known.

`study.looking` answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from persongen_bench.study.folder import code_hash
from persongen_bench.study.records import Key, Session, Study, Trial, Truth
from persongen_bench.worlds.tasteworld.attributes import COUNTS, N_SCENES
from persongen_bench.worlds.tasteworld.people import People

Worth = Callable[[Truth, int], float]
"""How much the person of a trial likes its picture at a place: mean 0, variance 1 over scenes."""
PICKED = {"own-taste": (8, "own"), "common-taste": (12, "common"), "sketches": (2, "sketch"),
          "any": (1, "own")}  # fmt: skip
"""Methods of known order: each shows the best of so many scenes, by the person's own taste or by
what people have in common, or the best of so many sketches, which some people like and others do
not."""


@dataclass(frozen=True)
class Design:
    """What every simulated participant is asked."""

    pairs: int = 40
    """Main trials; a tenth is repeated."""
    catches: int = 4
    """Pictures that say that they be chosen."""
    tastes: int = 2
    """What the person liked against what somebody else liked."""
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
        """True worth; 0 of both pictures of a trial that says which one to choose."""
        taste = people.final
        values = {
            (str(number), sample): float(taste[person, scene])
            for number, person in enumerate(self.persons)
            for sample, scene in self.scenes.items()
            if sample.startswith(f"{number}/")
        }

        def of(truth: Truth, place: int) -> float:
            if truth.role == "catch-told":
                return 0.0
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
    who = persons[:, None]
    if way == "common":
        best = people.shared[who, drawn].argmax(axis=1)
    else:
        best = people.values(who, drawn, np.ones(who.shape)).argmax(axis=1)
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
    for k in range(asks.tastes):
        for name, liker in (("copy", who), ("wrong-user", rng.integers(0, len(people), len(who)))):
            liked = picked(people, liker, "own-taste", rng)
            scenes |= {f"{p}/liked-{k}/{name}": int(scene) for p, scene in enumerate(liked)}
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
    told = [_catch(number, k, "told", ("told", "other")) for k in range(asks.catches)]
    tastes = [_catch(number, k, "liked", ("copy", "wrong-user")) for k in range(asks.tastes)]
    return [*main, *again, *told, *tastes]


def _truth(trial: str, user: str, case: int, methods: tuple[str, ...]) -> Truth:
    samples = tuple(f"{user}/{case}/{name}" for name in methods)
    return Truth(trial=trial, user=user, methods=methods, samples=samples, request=str(case))


def _catch(number: int, k: int, kind: str, sides: tuple[str, str]) -> Truth:
    """A trial whose right picture is the first of the sides, on the left in turns."""
    shown = sides[::-1] if k % 2 else sides
    told = kind == "told"
    return Truth(
        trial=f"{number}-{kind}-{k}", user=str(number), methods=shown,
        samples=("", "") if told else tuple(f"{number}/{kind}-{k}/{name}" for name in shown),
        role="catch-told" if told else "catch-wrong-user", right="second" if k % 2 else "first",
    )  # fmt: skip


def _trial(truth: Truth) -> Trial:
    kind = "pair" if len(truth.methods) == 2 else "rank"
    pictures = tuple(f"{truth.trial}-{k}" for k in range(len(truth.methods)))
    return Trial(id=truth.trial, kind=kind, question="taste", pictures=pictures)
