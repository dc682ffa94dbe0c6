"""Studies of simulated people, in memory and on disk."""

import functools
import sqlite3
from contextlib import closing

import numpy as np

from persongen_bench.study.analysis.analyse import analyse
from persongen_bench.study.analysis.reading import Gathered
from persongen_bench.study.answers import Answers
from persongen_bench.study.folder import StudyFolder, code_hash
from persongen_bench.study.looking import answered
from persongen_bench.study.records import Answer, Key, Session, Study, Trial, Truth
from persongen_bench.study.simulated import Design, simulated_study
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import PeopleConfig


@functools.cache
def population(n=60):
    return People.draw(PeopleConfig(seed=11), n)


def simulated(n=12, seed=0, design=None, **options):
    """A study of ``n`` of the population and how they answer: ``(Simulated, answers)``."""
    people, rng = population(), np.random.default_rng(seed)
    made = simulated_study(people, rng.integers(0, len(people), n), rng, design or Design())
    return made, answered(made, made.worth(people), rng, **options)


def analysed(made, answers, runs=(), malformed=0):
    return analyse(made.study, made.key, Gathered(tuple(answers), malformed), runs)


def written(folder, study, key, codes, answers=()):
    """A study's folder as the server leaves it."""
    place = StudyFolder(folder)
    place.private.mkdir(parents=True)
    place.study_file.write_text(study.model_dump_json())
    (place.private / "key.json").write_text(key.model_dump_json())
    Answers.make(place.answers_file, codes)
    rows = [(answer.code, answer.trial, answer.model_dump_json()) for answer in answers]
    with closing(sqlite3.connect(place.answers_file)) as store, store:  # all of them at once
        store.executemany("INSERT INTO answers (code, trial, document) VALUES (?, ?, ?)", rows)
    return folder


class Small:
    """A study by hand: ``say`` adds a trial and its answer; ``result`` analyses it."""

    def __init__(self, methods=("a", "b"), n=3, preset="pairs", person="first"):
        self.methods, self.preset, self.person = methods, preset, person
        self.codes = [f"secretcode{k}" for k in range(n)]
        self.trials = [[] for _ in range(n)]
        self.truths, self.answers = [], []

    def say(self, who, shown, said, **about):
        """Participant ``who`` (from 0) sees methods and answers a choice or an order."""
        trial = about.pop("trial", f"t{len(self.truths)}")
        user, request = about.pop("user", f"u{who}"), about.pop("request", trial)
        samples = about.pop("samples", tuple(f"{user}/{request}/{name}" for name in shown))
        comment, seconds = about.pop("comment", ""), about.pop("seconds", 2.0)
        pictures = tuple(f"{trial}-{k}" for k in range(len(shown)))
        kind = "rank" if isinstance(said, tuple) else "pair"
        self.trials[who].append(Trial(id=trial, kind=kind, question="taste", pictures=pictures))
        self.truths.append(
            Truth(trial=trial, user=user, request=request, methods=shown, samples=samples, **about)
        )
        answer = {"order": said} if kind == "rank" else {"choice": said}
        self.answers.append(
            Answer(study="s", code=self.codes[who], trial=trial, milliseconds=1000 * seconds,
                   said_at="", comment=comment, **answer)
        )  # fmt: skip
        return self

    @property
    def study(self):
        sessions = tuple(
            Session(code=code_hash(code), trials=tuple(trials))
            for code, trials in zip(self.codes, self.trials, strict=True)
        )
        return Study(id="s", title="Small", preset=self.preset, person=self.person, consent="",
                     instructions="", questions={"taste": "Which?"}, sessions=sessions)  # fmt: skip

    @property
    def key(self):
        runs = tuple(f"run-{name}" for name in self.methods)
        return Key(study="s", seed=0, methods=self.methods, runs=runs, truths=tuple(self.truths))

    def result(self, runs=()):
        return analyse(self.study, self.key, Gathered(tuple(self.answers), 0), runs)

    def question(self):
        (found,) = self.result().questions
        return found
