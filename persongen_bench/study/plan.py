"""What kind of study is made, and the words in which its questions are put."""

from __future__ import annotations

import re
import secrets
from typing import Literal

from pydantic import Field, field_validator

from persongen_bench.core.config import Config
from persongen_bench.study.records import Choice, Exclusions

Preset = Literal["pairs", "ragar-rank", "pigeon-binary"]
Person = Literal["first", "third"]
REPEATED = 0.1
"""Share of the judgements that are asked for twice."""
CAUGHT = 0.1
"""Pictures that say that they be chosen, as a share of the judgements."""
LEAST_CAUGHT = 4
LEAST_ELICITED = 20


class Plan(Config):
    """The settings of a study."""

    preset: Preset = "pairs"
    person: Person = "first"
    participants: int | None = Field(default=None, ge=1)
    """First person: at most so many of the users; None: all, of third persons 24."""
    pairs_per_person: int | None = Field(default=None, ge=1)
    """Judgements of every question, repeats and catch trials aside; None: 40, of a paper 50,
    or as many as there can be."""
    elicit: int | None = Field(default=None, ge=0)
    """Pictures that participants say likes and dislikes of; None: 20 in the first person, none in
    the third."""
    seed: int = Field(default_factory=lambda: secrets.randbits(128), ge=0)
    """Whoever knows it and the pictures can make the design again, right answers included."""
    title: str = "Which pictures do you like?"
    consent: str = ""
    """Empty: `CONSENT`."""
    post_to: str = "answers"
    """Where answers are sent, on the page's own host; empty: they are downloaded."""
    completion: str = ""
    """Shown to who is done; it lies in the public part, so it is no proof of anything."""

    exclusions: Exclusions = Exclusions()
    """Whose answers will not count; the study publishes a hash of these rules."""
    rehearsal: bool = False
    """Whether simulated participants may send answers."""

    @field_validator("post_to")
    @classmethod
    def _on_its_host(cls, said: str) -> str:
        if said and not re.fullmatch(r"/?[\w.~-]+(/[\w.~-]+)*", said, re.ASCII):
            raise ValueError("name a path on the page's own host, such as answers")
        return said

    @field_validator("completion")
    @classmethod
    def _whole(cls, said: str) -> str:
        if said and not re.fullmatch(r"https?://\S+", said):
            raise ValueError("name a whole address, such as https://app.example/done")
        return said

    @property
    def judgements(self) -> int:
        """Of every question and participant, where the pictures suffice."""
        return self.pairs_per_person or (40 if self.preset == "pairs" else 50)

    @property
    def elicited(self) -> int:
        """Pictures that a participant is asked about one by one."""
        if self.elicit is not None:
            return self.elicit
        return LEAST_ELICITED if self.person == "first" else 0

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What a pair may be answered with."""
        if self.preset == "pigeon-binary":
            return ("first", "second")
        return ("first", "second", "tie", "both-bad")

    @property
    def questions(self) -> dict[str, str]:
        """The wordings, by question and where it matters by kind of trial."""
        return {
            "like": "Do you like this picture?",
            "taste": _TASTE[self.preset, self.person],
            "taste/pair": _TASTE[_OF_PAIRS[self.preset], self.person],
            "alignment": _ALIGNMENT[self.preset],
        }


_OF_PAIRS: dict[Preset, Preset] = {
    "pairs": "pairs", "ragar-rank": "pairs", "pigeon-binary": "pigeon-binary",
}  # fmt: skip
"""Whose words a pair is asked with: catch trials are pairs among rankings too."""
_TASTE: dict[tuple[Preset, Person], str] = {
    ("pairs", "first"): "Which picture do you like better?",
    ("pairs", "third"): "Somebody liked the small pictures. Which of the others would they prefer?",
    ("ragar-rank", "first"): "Rank the pictures: the one you would click on first comes first.",
    ("ragar-rank", "third"): "Somebody liked the small pictures. Rank the others by how likely "
    "this person is to click on them.",
    ("pigeon-binary", "first"): "Which of the two suits your taste?",
    ("pigeon-binary", "third"): "Somebody liked the small pictures. Which of the other two suits "
    "their taste?",
}
_ALIGNMENT: dict[Preset, str] = {
    "pairs": "Which picture better keeps the meaning of the small one?",
    "ragar-rank": "Rank the pictures by how well they convey the meaning of the small one.",
    "pigeon-binary": "Which of the two keeps the meaning of the small picture?",
}

CONSENT = """\
You are asked to look at pictures and to say which you prefer. Nothing else is asked of you.

Kept are your answers, how long each took, and the time. They are kept under a random code. Your \
name, your address and what you use to read this page are not asked for and not kept. If a \
recruiting site such as Prolific sent you, a hash of the id that it calls you by is kept with the \
code, so that you find your answers again; who knows the id can recognise the hash.

Taking part is voluntary. You may stop at any time, without a reason. If you send your code to \
whoever invited you, all your answers are deleted.

You should be of age. If a picture disturbs you, stop.\
"""
_ELICITED = "First you see pictures one by one, and say of each whether you like it."
_JUDGED = {
    "pairs": "You see two pictures at a time and choose one. If you like both equally, or neither, "
    "you may say so.",
    "ragar-rank": "You see several pictures at a time and put them in order, the best first.",
    "pigeon-binary": "You see two pictures at a time and choose one, also where it is hard.",
}
_ENDS = """\
There is no right answer: say what you see at first sight. Some questions come twice, and some are \
there to see whether you look.

Every answer has a key, which is written on its button. You may close the page and go on later, in \
the same browser.\
"""


def instructions(plan: Plan, *, elicits: bool, judges: bool) -> str:
    """What participants read before the first question; paragraphs are divided by empty lines."""
    said = [_ELICITED] if elicits else []
    if judges:
        said.append(("Then you" + _JUDGED[plan.preset][3:]) if elicits else _JUDGED[plan.preset])
    return "\n\n".join([*said, _ENDS])
