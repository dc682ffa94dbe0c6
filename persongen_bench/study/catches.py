"""Questions whose answer is known: who does not look at the pictures fails them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persongen_bench.study.drafts import Draft
from persongen_bench.study.material import HISTORY, Material
from persongen_bench.study.plan import CAUGHT, Plan
from persongen_bench.study.records import Choice


def caught(
    material: Material, plan: Plan, n_judged: int, user: str, rng: np.random.Generator
) -> list[Draft]:
    """The catch trials of one participant, of taste; none where no likes are known.

    In turns an exact copy of a liked picture (for third persons one of those that are shown)
    against what was made for somebody else, and a liked picture against one that somebody else
    liked. The right side alternates, with a side to begin with that is drawn.
    """
    users = [user] if user else [u for u in material.users if material.likes.get(u)]
    others = [u for u, liked in sorted(material.likes.items()) if liked]
    if len(others) < 2 or not users or not material.likes.get(users[0]):
        return []
    drafts, coin = [], int(rng.integers(2))
    for number in range(max(2, round(CAUGHT * n_judged))):
        whose = users[int(rng.integers(len(users)))]
        strangers = _strangers(material, whose, others)
        if strangers:
            stranger = strangers[int(rng.integers(len(strangers)))]
            pair = _Pair(material, plan, rng, coin)
            draft = pair.draft(whose, stranger, number)
            drafts += [draft] if draft else []
    return drafts


def _strangers(material: Material, whose: str, others: Sequence[str]) -> list[str]:
    """Those who share least of what ``whose`` liked, whoever they are."""
    mine = set(material.likes[whose])
    shared = {other: len(mine & set(material.likes[other])) for other in others if other != whose}
    least = min(shared.values(), default=0)
    return [other for other, n in shared.items() if n == least]


class _Pair:
    """Makes one catch trial."""

    def __init__(self, material: Material, plan: Plan, rng: np.random.Generator, coin: int) -> None:
        self.material, self.plan, self.rng, self.coin = material, plan, rng, coin

    def draft(self, whose: str, stranger: str, number: int) -> Draft | None:
        """The ``number``-th; even ones are copies. None where there is nothing of the stranger."""
        copies = number % 2 == 0
        liked = self.material.likes[whose]
        seen, unseen = liked[-HISTORY:], liked[:-HISTORY]
        right = self._any(seen if copies else unseen or seen)
        theirs = [k for k in self.material.likes[stranger] if k not in liked]
        made = [
            case.pictures[method]
            for case in self.material.cases
            if case.user == stranger
            for method in self.material.methods
        ]
        others = made if copies and made else theirs or made
        if not others:
            return None
        wrong = self._any(others)
        on_left = bool((number + number // 2 + self.coin) % 2)
        pictures, methods = (right, wrong), ("copy", "wrong-user")
        answer: Choice = "first" if on_left else "second"
        return Draft(
            kind="pair",
            question="taste",
            pictures=pictures if on_left else pictures[::-1],
            shown=seen if self.plan.person == "third" else (),
            user=whose,
            methods=methods if on_left else methods[::-1],
            samples=("", ""),
            role="catch-copy" if copies else "catch-wrong-user",
            right=answer,
        )

    def _any(self, keys: Sequence[str]) -> str:
        return keys[int(self.rng.integers(len(keys)))]
