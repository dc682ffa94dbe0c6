"""What a study is made of: the public part, the key, and the answers.

A study's folder:

| file | who may see it |
|---|---|
| ``study.js`` | everybody: `Study` without its sessions |
| ``sessions/<hash>.js`` | everybody who has the code: a `Session`, pictures named by codes |
| ``media/<code>.png`` | everybody |
| ``index.html``, ``assets/`` | everybody: the page, opened from a disk or a server |
| ``private/study.json`` | the researcher: `Study` with all sessions |
| ``private/key.json`` | the researcher: `Key`, which picture is of which method and whom |
| ``private/codes.txt`` | the researcher: a line a participant, their code, a tab, their user |
| ``private/answers.sqlite`` | the researcher: answers, as the server keeps them |
| ``private/hand-out.txt`` | the researcher: the key of the link that gives out codes, if any |

`study.folder` finds and reads these files, `study.answers` the database.

Nothing that names a method, a user of a data set or the right answer of a catch trial is in the
public part.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from persongen_bench.core.config import Config
from persongen_bench.core.types import content_hash

Choice = Literal["first", "second", "tie", "both-bad"]
Question = Literal["like", "taste", "alignment"]
"""Of an elicitation; which suits the person; which keeps the meaning of the reference."""
FEWEST_PAIRS = 10
"""Answered pairs from which on they can be called one-sided: a fair coin gives one side in 10
throws to one person of 500."""
FEWEST_RANKINGS = 5
REMARKS = "remarks"
"""What an `Answer` names as its trial that holds the comment of the end and nothing else."""


class Trial(Config):
    """One question, as the page shows it."""

    id: str
    kind: Literal["elicit", "pair", "rank"]
    question: Question = "taste"
    pictures: tuple[str, ...]
    """Codes in the order shown: one (elicit), two (left, right) or several."""
    shown: tuple[str, ...] = ()
    """Codes of what is shown above: a history, a reference."""


class Session(Config):
    """The trials of one participant, in order."""

    code: str
    """SHA-256 of the participant's code: the page finds its session without a list of codes."""
    trials: tuple[Trial, ...]


class Study(Config):
    """Everything that the page needs, for all participants."""

    schema_version: int = 1
    id: str
    """Hash of the design; answers name it."""
    title: str
    preset: Literal["pairs", "ragar-rank", "pigeon-binary"]
    person: Literal["first", "third"]
    consent: str
    instructions: str
    questions: dict[str, str] = Field(default_factory=dict)
    """As they are put to participants, by `Question`, or ``question/kind`` for a kind of trial."""
    choices: tuple[Choice, ...] = ("first", "second", "tie", "both-bad")
    """Answers that a pair allows."""
    post_to: str = ""
    """Where answers are sent; empty: they are downloaded."""
    completion: str = ""
    """Address that a participant who is done is pointed to; empty: none."""
    rehearsal: bool = False
    """Whether simulated participants may send answers."""
    rules: str = ""
    """`rules_hash` of the key's exclusions, so that they cannot change unseen; empty: not told."""
    sessions: tuple[Session, ...]


class Truth(Config):
    """What only the researcher knows of a trial."""

    trial: str
    user: str
    methods: tuple[str, ...]
    """Of the pictures, in the order shown; for those of catch trials ``told`` and ``other``, or
    ``copy`` and ``wrong-user``; empty for an elicitation."""
    samples: tuple[str, ...]
    request: str = ""
    question: Question = "taste"
    role: Literal["main", "repeat", "catch-told", "catch-wrong-user", "elicit"] = "main"
    """``catch-told``: a picture says that it be chosen; ``catch-wrong-user``: a picture that the
    user liked against one that somebody else did."""
    repeats: str = ""
    """The trial that this one repeats, sides exchanged where they are two."""
    right: str = ""
    """The answer of a catch trial: a `Choice`."""


class Exclusions(Config):
    """Whose answers do not count; written down before anybody looks."""

    min_catch: float = 0.75
    """Least share answered rightly of the trials of role ``catch-told``, asked and not answered
    ones among them."""
    min_seconds: float = 0.5
    """Least median time a trial."""
    max_one_side: float = 0.95
    """Largest share of one side among the pairs."""
    min_done: float = 0.8
    """Least share of the trials answered."""


def rules_hash(rules: Exclusions) -> str:
    """Of everything that decides who is excluded."""
    return content_hash(rules.model_dump(mode="json"), FEWEST_PAIRS, FEWEST_RANKINGS)


class Key(Config):
    """The private half of a study."""

    schema_version: int = 1
    study: str
    seed: int
    methods: tuple[str, ...]
    runs: tuple[str, ...]
    """Run ids of the methods, same order; empty where they come from a folder."""
    truths: tuple[Truth, ...]
    exclusions: Exclusions = Exclusions()


class Answer(Config):
    """One answer. The server keeps the first for a code and a trial and acknowledges others."""

    study: str
    code: str
    """Of the participant, random; nothing else about the person is kept."""
    trial: str
    choice: Choice | None = None
    """Of a pair."""
    order: tuple[int, ...] = ()
    """Of a ranking: places in ``pictures``, best first."""
    rating: Literal["like", "dislike"] | None = None
    """Of an elicitation."""
    comment: str = ""
    milliseconds: float
    """From showing to answering, by the page's own clock."""
    said_at: str
    """UTC by the participant's clock, ISO; never trusted."""
    kept_at: str = ""
    """UTC by the server's clock, ISO; empty in a download."""
