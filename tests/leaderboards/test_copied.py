"""A row that copies held-out pictures stands among the anchors, marked wherever it is shown."""

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.leaderboards import render
from persongen_bench.leaderboards.copied import OF_HELD_OUT, OF_TRAINING, copy_notes, mark
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.loop.copies import Copies, Repeats

SPREAD = np.array([-0.03, -0.01, 0.01, 0.03] * 10)


def repeats(n_images, p):
    return Repeats(n_images=n_images, n_repeated=20, n_null=500, n_null_repeats=0, p_value=p)


NOTHING = Copies(n_images=100, held_out=repeats(0, 1.0), training=repeats(0, 1.0))
HELD_OUT = NOTHING.model_copy(update={"held_out": repeats(31, 1e-9)})
TRAINING = NOTHING.model_copy(update={"training": repeats(90, 1e-9)})


@pytest.fixture
def runs(make_run):
    def run(label, level, copies, **options):
        values = {"true-taste": level + SPREAD, "taste-gap": level / 2 + SPREAD}
        return replace(make_run(label, values, **options), copies=copies)

    return [
        run("rebeca", 0.5, NOTHING),
        run("cheat", 0.9, HELD_OUT),
        run("random-item", 0.3, TRAINING),
        run("oracle", 0.95, HELD_OUT, anchor=True),
        run("copy-history", 0.4, TRAINING),
    ]


def test_who_copies_held_out_pictures_is_not_ranked(runs):
    (table,) = standings(runs)
    assert [row.label for row in table.methods] == ["rebeca", "random-item"]
    cheat = next(row for row in table.anchors if row.label == "cheat")
    assert cheat.rank is None
    assert cheat.origin == OF_HELD_OUT
    assert not any(cell.best for cell in cheat.cells.values())
    why = "Not ranked: 31 of 100 images repeat held-out pictures, which no method is shown (cheat)"
    assert why in table.notes


def test_who_repeats_training_pictures_is_ranked_and_marked(runs):
    (table,) = standings(runs)
    marks = {row.label: row.mark for row in table.rows}
    assert marks == {
        "rebeca": "", "random-item": OF_TRAINING, "cheat": OF_HELD_OUT,
        "oracle": "", "copy-history": "",  # anchors of the board, shown for what they are
    }  # fmt: skip
    assert "90 of 100 images repeat training pictures (random-item)" in table.notes


def test_the_mark_is_on_every_rendering(runs):
    tables = standings(runs)
    options = render.RenderOptions(width=240)
    for form in render.FORMATS:
        text = render.render(tables, form, options)
        for mark_of_row in (OF_HELD_OUT, OF_TRAINING):
            first, *_, last = mark_of_row.split()  # a narrow column breaks the line
            assert first in text, form
            assert last in text, form


def test_one_seed_that_copies_is_enough(runs):
    cheat = runs[1]
    clean = replace(cheat, copies=NOTHING, config=cheat.config.model_copy(update={"seed": 1}))
    (table,) = standings([runs[0], clean, cheat])
    assert [row.label for row in table.methods] == ["rebeca"]
    assert mark([clean, cheat]) == OF_HELD_OUT


def test_old_runs_are_said_not_to_be_searched(runs):
    old = replace(runs[0], copies=None)
    (table,) = standings([old, runs[2]])
    said = "Not searched for copies: rebeca; `pgbench audit copies RUN` does it."
    assert said in table.notes
    assert copy_notes([old], ()) == [said.replace("rebeca", "any row")]
    lists = replace(old, config=old.config.model_copy(update={"output": "ranking"}))
    assert copy_notes([lists], ()) == []
