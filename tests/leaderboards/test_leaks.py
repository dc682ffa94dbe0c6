"""A board over a split with leaks says so before its table, in every format."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.render import FORMATS, render
from persongen_bench.loop.audits import leak_notes

SPREAD = np.array([-0.03, -0.01, 0.01, 0.03] * 10)
AUDIT = ["split row: 1 leaks", "leak: item-overlap: 12 (a, b, ...)", "info: motif-overlap: 3 (c)"]
(NOTE,) = leak_notes(AUDIT)
ROW = "rebeca-of-the-table"


@pytest.fixture
def tables(make_run):
    def run(label, level):
        made = make_run(label, {"true-taste": level + SPREAD, "taste-gap": level / 2 + SPREAD})
        return replace(made, summary=made.summary.model_copy(update={"notes": (NOTE, "else")}))

    return standings([run(ROW, 0.5), run("random-item", 0.3)])


def test_the_sentence_names_kinds_and_counts_and_nobody():
    assert "item-overlap: 12" in NOTE
    assert "(a" not in NOTE
    assert "motif" not in NOTE
    assert leak_notes(AUDIT[::2]) == ()


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"csv", "json"}))
def test_pages_say_it_once_before_the_table(tables, form):
    text = " ".join(render(tables, form).split())
    assert text.count("Leaks: the split") == 1
    assert text.index("Leaks: the split") < text.index(ROW)


def test_programs_find_it_in_a_field_of_its_own(tables):
    (document,) = json.loads(render(tables, "json"))["tables"]
    assert document["leaks"] == [NOTE]
    assert NOTE not in document["notes"]
    lines = list(csv.DictReader(io.StringIO(render(tables, "csv"))))
    assert {line["leaks"] for line in lines} == {NOTE}


def test_a_sound_split_is_not_mentioned(make_run):
    runs = [make_run("rebeca", {"true-taste": 0.5 + SPREAD, "taste-gap": SPREAD})]
    assert standings(runs)[0].leaks == ()
    assert not any("Leaks" in render(standings(runs), form) for form in FORMATS)
