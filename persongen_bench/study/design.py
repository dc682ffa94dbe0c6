"""Who is asked what, on which side and in which order; from a seed alone.

Every method stands on either side of every other equally often over the participants, and in every
place of a ranking (differing by one where the number of judgements does not divide). A tenth of the
judgements is asked for again, sides exchanged; a tenth as many have a known answer (`catches`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from persongen_bench.core.errors import ConfigError
from persongen_bench.study.catches import caught
from persongen_bench.study.drafts import Draft, Session
from persongen_bench.study.material import Case, Material
from persongen_bench.study.plan import LEAST_ELICITED, REPEATED, Plan
from persongen_bench.study.records import Question

_STRANGE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What ends a line somewhere, steers a terminal, or is no text."""
MOST_RANKED = 9
"""Pictures of a ranking: each has a key."""
DEFAULT_PARTICIPANTS = 24


def design(material: Material, plan: Plan) -> list[Session]:
    """The sessions of a study, in a random order.

    Raises:
        ConfigError: where the material does not suffice for what is planned.
    """
    _require(material, plan)
    people = _people(material, plan)
    items = _elicited(material, plan)
    sides = _Sides()
    questions = _questions(material)
    sessions = []
    for number, user in enumerate(people):
        rng = np.random.default_rng([plan.seed, number])
        drafts = [items[place] for place in rng.permutation(len(items))]
        for question in questions:
            cases = [c for c in material.cases if user in ("", c.user)]
            judged = _judgements(cases, material, _Asks(plan, question, number, sides))
            catches = caught(material, plan, len(judged), user, rng) if question == "taste" else []
            drafts += _ordered(judged, catches, len(drafts), rng)
        sessions.append(Session(user, tuple(drafts)))
    if not any(session.drafts for session in sessions):
        raise ConfigError(
            "nobody is asked anything", fix="Name runs or a folder, or ask for likes (--elicit 20)."
        )
    return sessions


def _require(material: Material, plan: Plan) -> None:
    if 0 < plan.elicited < LEAST_ELICITED:
        raise ConfigError(
            f"{plan.elicited} pictures tell no taste", fix=f"Ask for {LEAST_ELICITED} or for none."
        )
    if plan.elicited > len(material.items):
        raise ConfigError(
            f"there are {len(material.items)} pictures to elicit likes by, {plan.elicited} wanted",
            fix="Name a folder with more (--items DIR), or ask for none (--elicit 0).",
        )
    if len(material.methods) > MOST_RANKED and plan.preset == "ragar-rank":
        raise ConfigError(
            f"{len(material.methods)} pictures cannot be ranked at a time",
            fix=f"Name at most {MOST_RANKED} methods.",
        )
    strange = [user for user in material.users if _STRANGE.search(user)]
    if strange:
        raise ConfigError(
            f"user {strange[0]!r} cannot be written on a line", fix="Give users plain names."
        )
    unseen = [case.user for case in material.cases if not case.history]
    if plan.person == "third" and unseen:
        raise ConfigError(
            f"nothing shows third persons what {unseen[0]!r} likes",
            fix="Put liked pictures into history/USER beside the methods, or use --first-person.",
        )


def _people(material: Material, plan: Plan) -> list[str]:
    """Whom the participants are; empty for those who are nobody in particular."""
    users = material.users
    if plan.person == "third" or not users:
        return [""] * (plan.participants or DEFAULT_PARTICIPANTS)
    chosen = np.random.default_rng([plan.seed, 1 << 20]).permutation(len(users))
    return [users[place] for place in chosen[: plan.participants]]


def _elicited(material: Material, plan: Plan) -> list[Draft]:
    """The same pictures for everybody, so that people can be compared."""
    names = sorted(material.items)
    rng = np.random.default_rng([plan.seed, 1 << 21])
    chosen = sorted(rng.choice(len(names), plan.elicited, replace=False)) if names else []
    return [
        Draft("elicit", "like", (material.items[names[k]],), samples=(names[k],), role="elicit")
        for k in chosen
    ]


def _questions(material: Material) -> list[Question]:
    """Taste; where every case has a picture to follow, its meaning too."""
    if not material.cases:
        return []
    followed = all(case.reference is not None for case in material.cases)
    return ["taste", "alignment"] if followed else ["taste"]


@dataclass
class _Sides:
    """How often which method stood on the left of which, over all participants so far."""

    pairs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    cases: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def choose(self, question: str, case: Case, pair: tuple[str, str], *, coin: bool) -> bool:
        """Whether the pair is turned; where both were as frequent, the case decides, then a coin.

        All counts are kept of what is decided.
        """
        ways = [pair, pair[::-1]]
        keys = [(question, case.user, case.request, *way) for way in ways]
        counts = [
            (self.pairs[question, *w], self.cases[k]) for w, k in zip(ways, keys, strict=True)
        ]
        turned = coin if counts[0] == counts[1] else counts[1] < counts[0]
        self.pairs[question, *ways[turned]] += 1
        self.cases[keys[turned]] += 1
        return turned


@dataclass(frozen=True)
class _Asks:
    """Of one question to one participant."""

    plan: Plan
    question: Question
    number: int
    sides: _Sides

    def rng(self, *more: int) -> np.random.Generator:
        """Of a third person's cases, the same for all: several people judge the same ones."""
        who = self.number if self.plan.person == "first" else 1 << 22
        return np.random.default_rng([self.plan.seed, who, len(self.question), *more])


def _judgements(cases: Sequence[Case], material: Material, asks: _Asks) -> list[Draft]:
    if asks.plan.preset == "ragar-rank":
        return _rankings(cases, material.methods, asks)
    pairs = _pairs(material.methods, asks.plan)
    n_judged = _n_judged(asks.plan, len(cases) * len(pairs))
    orders = [asks.rng(k).permutation(len(cases)) for k in range(len(pairs))]
    coins = np.random.default_rng([asks.plan.seed, asks.number, 1 << 23])
    drafts, met = [], Counter[int]()
    for _ in range(n_judged):
        which = asks.sides.asked[asks.question] % len(pairs)
        asks.sides.asked[asks.question] += 1
        if met[which] == len(cases):  # this pair has been judged in every case there is
            which = min(range(len(pairs)), key=lambda k: met[k])
        case = cases[orders[which][met[which]]]
        met[which] += 1
        pair = pairs[which]
        turned = asks.sides.choose(asks.question, case, pair, coin=bool(coins.integers(2)))
        drafts.append(_draft(case, pair[::-1] if turned else pair, asks, "pair"))
    return drafts


def _n_judged(plan: Plan, n_there: int) -> int:
    """Judgements of a participant who can make so many different ones."""
    if plan.pairs_per_person is not None and plan.pairs_per_person > n_there:
        raise ConfigError(
            f"a participant can make {n_there} different judgements, {plan.judgements} wanted",
            fix=f"Say --pairs-per-person {n_there}, or make more pictures.",
        )
    return min(plan.judgements, n_there)


def _pairs(methods: Sequence[str], plan: Plan) -> list[tuple[str, str]]:
    """Every pair of methods; of Pigeon's study the first method with each of the others."""
    pairs = list(combinations(methods, 2))
    return [p for p in pairs if plan.preset != "pigeon-binary" or methods[0] in p]


def _rankings(cases: Sequence[Case], methods: tuple[str, ...], asks: _Asks) -> list[Draft]:
    n_judged = _n_judged(asks.plan, len(cases))
    rows = williams(len(methods))
    order = asks.rng().permutation(len(cases))[:n_judged]
    drafts = []
    for place, k in enumerate(order):
        row = asks.sides.asked[asks.question] % len(rows)
        if n_judged % len(rows) == 0:  # else people would see a case in one order
            row = (place + asks.number) % len(rows)
        asks.sides.asked[asks.question] += 1
        drafts.append(_draft(cases[k], tuple(methods[m] for m in rows[row]), asks, "rank"))
    return drafts


def williams(n: int) -> list[tuple[int, ...]]:
    """Orders of n things in which each has every place, and follows every other, equally often."""
    zigzag = [k // 2 + 1 if k % 2 else (n - k // 2) % n for k in range(n)]
    rows = [tuple((k + shift) % n for k in zigzag) for shift in range(n)]
    return rows if n % 2 == 0 else [*rows, *(row[::-1] for row in rows)]


def _draft(case: Case, methods: tuple[str, ...], asks: _Asks, kind: str) -> Draft:
    reference = () if case.reference is None else (case.reference,)
    history = case.history if asks.plan.person == "third" else ()
    return Draft(
        kind="pair" if kind == "pair" else "rank",
        question=asks.question,
        pictures=tuple(case.pictures[method] for method in methods),
        shown=reference if asks.question == "alignment" else history,
        user=case.user,
        request=case.request,
        methods=methods,
        samples=tuple(case.samples[method] for method in methods),
    )


def _ordered(
    judged: list[Draft], catches: list[Draft], begin: int, rng: np.random.Generator
) -> list[Draft]:
    """All of a block at random, and among its last third what repeats some of its first half."""
    block = [*judged, *catches]
    block = [block[k] for k in rng.permutation(len(block))]
    mains = [k for k, draft in enumerate(block) if draft.role == "main"]
    n_again = max(1, round(REPEATED * len(judged)))
    again = sorted(rng.permutation(mains[: max(n_again, len(mains) // 2)])[:n_again].tolist())
    last = max(again[-1] + 1, len(block) * 2 // 3)
    places = sorted(rng.integers(last, len(block) + 1, n_again).tolist())
    for place, k in reversed(list(zip(places, again, strict=True))):
        block.insert(place, _turned(block[k], begin + k))
    return block


def _turned(draft: Draft, original: int) -> Draft:
    """The same once more, the other way round; ``original``: its place in the session."""
    return replace(
        draft, pictures=draft.pictures[::-1], methods=draft.methods[::-1],
        samples=draft.samples[::-1], role="repeat", repeats=original,
    )  # fmt: skip
