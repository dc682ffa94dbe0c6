"""A few answers of a run are made again; which, and when none is."""

from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pandas as pd

from persongen_bench.loop import remade
from persongen_bench.loop.deviations import REMADE
from persongen_bench.loop.making import Made


class Run:
    """A run directory of answers that are their ids."""

    config = SimpleNamespace(run_id="r")
    kind = SimpleNamespace(digest=str)
    veil = SimpleNamespace(sample=lambda name: f"v{name}")

    def __init__(self, n, failed=()):
        rows = [(f"v{k}", "" if k in failed else str(k)) for k in range(n)]
        self.table = pd.DataFrame(rows, columns=["sample_id", "digest"])
        self.notes = {}

    def samples(self):
        return self.table

    def noted(self, key):
        return self.notes.get(key)

    def note(self, key, value):
        self.notes[key] = value


ASKED = SimpleNamespace(named=lambda names: [SimpleNamespace(sample_id=name) for name in names])


def noted(run, answer, n=20):
    asked_for = Counter()

    def make(asked, samples):
        asked_for.update(sample.sample_id for sample in samples)
        return SimpleNamespace(made=[answer(sample.sample_id) for sample in samples])

    @contextmanager
    def home():
        yield SimpleNamespace(make=make)

    remade.note_remade(run, ASKED, [str(k) for k in range(n)], home)
    return run.noted(REMADE), asked_for


def test_the_same_answers_leave_no_note():
    note, asked_for = noted(Run(20), Made)
    assert note is None
    assert len(asked_for) == remade.N_AGAIN


def test_what_differs_is_counted_and_added_up():
    run = Run(20)
    assert noted(run, lambda name: Made("other"))[0] == [2, 2]
    assert noted(run, lambda name: Made("other"))[0] == [4, 4]


def test_an_answer_that_cannot_be_made_again_differs():
    def gone(name):
        raise MemoryError

    assert noted(Run(20), gone)[0] == [2, 2]


def test_which_two_hangs_on_the_run():
    chosen = noted(Run(20), Made)[1]
    other = Run(20)
    other.config = SimpleNamespace(run_id="s")
    assert noted(other, Made)[1] != chosen
    assert noted(Run(20), Made)[1] == chosen


def test_few_answers_and_failed_ones_are_not_made_again():
    assert noted(Run(7), Made, n=7)[1] == Counter()
    assert noted(Run(20, failed=range(13)), Made)[1] == Counter()
