"""Questions whose answer is known: who does not look at the pictures fails them.

Of some one picture says that it be chosen, which takes a look and no taste; who fails these does
not count. Of others one picture is liked by the person and one by somebody else, which tells how
far people know their taste again; nobody is excluded by what they like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persongen_bench.core.later import special
from persongen_bench.core.types import Image
from persongen_bench.study.drafts import Draft, Role
from persongen_bench.study.material import HISTORY, Case, Material
from persongen_bench.study.plan import CAUGHT, LEAST_CAUGHT, Plan

TOLD = "told|choose this one"
"""Key of the picture that says that it be chosen."""
_TEXT = "To show that\nyou look,\nchoose this one."
_SIZE = 512


def told_picture() -> Image:
    """Black words on white."""
    from PIL import Image as PilImage
    from PIL import ImageDraw, ImageFont

    sheet = PilImage.new("RGB", (_SIZE, _SIZE), "white")
    centre, font = (_SIZE // 2, _SIZE // 2), ImageFont.load_default(56)
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text(centre, _TEXT, "black", font, anchor="mm", spacing=24, align="center")
    return np.ascontiguousarray(np.asarray(sheet).transpose(2, 0, 1))


def passed_at_random(n: int, n_choices: int, least: float) -> float:
    """Chance that who clicks at random answers this share of n catch trials rightly, or more."""
    fewest = math.ceil(least * n - 1e-9)
    return float(special.bdtrc(fewest - 1, n, 1 / n_choices)) if fewest > 0 else 1.0


def caught(
    material: Material, plan: Plan, n_judged: int, user: str, rng: np.random.Generator
) -> list[Draft]:
    """The catch trials of one participant, of taste.

    A tenth of as many as there are judgements, at least `LEAST_CAUGHT`, say which picture to
    choose. Half as many are of liked pictures, where likes of two people are known. The right side
    alternates, with a side to begin with that is drawn.
    """
    coin = int(rng.integers(2))
    n_told = max(LEAST_CAUGHT, round(CAUGHT * n_judged))
    cases = [case for case in material.cases if user in ("", case.user)]
    drafts = [_told(material, plan, cases, rng, bool((k + coin) % 2)) for k in range(n_told)]
    users = [user] if user else [u for u in material.users if material.likes.get(u)]
    others = [u for u, liked in sorted(material.likes.items()) if liked]
    if len(others) < 2 or not users or not material.likes.get(users[0]):
        return drafts
    for number in range(n_told // 2):
        whose = users[int(rng.integers(len(users)))]
        strangers = _strangers(material, whose, others)
        if strangers:
            stranger = strangers[int(rng.integers(len(strangers)))]
            on_left = bool((number + coin) % 2)
            drafts += _liked(material, plan, (whose, stranger), rng, on_left)
    return drafts


def _strangers(material: Material, whose: str, others: Sequence[str]) -> list[str]:
    """Those who share least of what ``whose`` liked, whoever they are."""
    mine = set(material.likes[whose])
    shared = {other: len(mine & set(material.likes[other])) for other in others if other != whose}
    least = min(shared.values(), default=0)
    return [other for other, n in shared.items() if n == least]


def _told(
    material: Material, plan: Plan, cases: Sequence[Case], rng: np.random.Generator, on_left: bool
) -> Draft:
    """A picture that says that it be chosen against what some method made."""
    case = cases[int(rng.integers(len(cases)))]
    made = case.pictures[material.methods[int(rng.integers(len(material.methods)))]]
    return _draft(
        (TOLD, made),
        _Known(case.user, ("told", "other"), "catch-told", on_left),
        (case.history if plan.person == "third" else ()),
    )


def _liked(
    material: Material, plan: Plan, people: tuple[str, str], rng: np.random.Generator, on_left: bool
) -> list[Draft]:
    """What the first person liked, and is not shown, against what the second one did."""
    whose, stranger = people
    liked = material.likes[whose]
    seen, unseen = liked[-HISTORY:], liked[:-HISTORY]
    theirs = [key for key in material.likes[stranger] if key not in liked]
    if not theirs:
        return []
    right, wrong = (keys[int(rng.integers(len(keys)))] for keys in (unseen or seen, theirs))
    known = _Known(whose, ("copy", "wrong-user"), "catch-wrong-user", on_left)
    return [_draft((right, wrong), known, seen if plan.person == "third" else ())]


@dataclass(frozen=True)
class _Known:
    """What only the researcher knows of a catch trial; the right side comes first."""

    user: str
    methods: tuple[str, str]
    role: Role
    on_left: bool


def _draft(pictures: tuple[str, str], known: _Known, shown: tuple[str, ...]) -> Draft:
    turn = 1 if known.on_left else -1
    return Draft(
        kind="pair", question="taste", pictures=pictures[::turn], shown=shown, user=known.user,
        methods=known.methods[::turn], samples=("", ""), role=known.role,
        right="first" if known.on_left else "second",
    )  # fmt: skip
