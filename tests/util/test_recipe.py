"""How a model of the package is built: in which order, to which files, and from a stop on."""

from __future__ import annotations

import json

import pytest

from persongen_bench.util.recipe import Recipe, build
from persongen_bench.util.training import CHECKPOINT, TrainingPlan


class StoppedError(Exception):
    """Stands in for a kill."""


def recipe(stop=False, **options):
    """A model that is the number 7; its card measures what was written."""

    def train(workshop):
        workshop.folder.mkdir(parents=True, exist_ok=True)
        (workshop.folder / CHECKPOINT).write_text("half way")
        if stop:
            raise StoppedError
        workshop.log.append({"step": 1, "loss": 0.5})
        return 7

    def write(model, folder):
        (folder / "weights").write_text(str(model))

    def card(folder):
        assert (folder / "losses.json").exists()  # the card comes last
        return {"quality": int((folder / "weights").read_text()) + 1}

    return Recipe(train, write, card, **options)


def test_weights_losses_and_card_are_written_and_the_checkpoint_goes(tmp_path):
    assert build(recipe(), tmp_path / "new") == tmp_path / "new"
    files = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    # The layout that the shipped cards and losses have: one blank per level, a last line break.
    assert files == {
        "weights": "7",
        "losses.json": '[\n {\n  "step": 1,\n  "loss": 0.5\n }\n]\n',
        "card.json": '{\n "quality": 8\n}\n',
    }


def test_a_build_that_stops_keeps_its_checkpoint_and_has_no_card(tmp_path):
    with pytest.raises(StoppedError):
        build(recipe(stop=True), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_indent_is_the_recipes_own(tmp_path):
    build(recipe(indent=2), tmp_path)
    assert (tmp_path / "card.json").read_text() == json.dumps({"quality": 8}, indent=2) + "\n"


def test_a_plan_changes_where_something_is_given():
    plan = TrainingPlan(steps=9, batch_size=2, learning_rate=0.1, seed=3)
    assert plan.changed() == plan
    assert plan.changed(steps=4) == plan.model_copy(update={"steps": 4})
    assert plan.changed(seed=0) == plan.model_copy(update={"seed": 0})
    with pytest.raises(ValueError, match="steps"):
        plan.changed(steps=0)
