"""Notes of who made what: the same package in the row and in the number; versions."""

import numpy as np
import pytest

from persongen_bench.leaderboards.board import get_board
from persongen_bench.leaderboards.kinship import kinship_notes
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.loop.schema import MethodRef

VALUES = {"true-taste": np.linspace(0.2, 0.8, 4)}


def of(run, distribution, **fields):
    """The run as one of a method of this distribution."""
    method = run.config.method.model_copy(update={"distribution": distribution, **fields})
    config = run.config.model_copy(update={"method": MethodRef.model_validate(dict(method))})
    summary = run.summary.model_copy(update={"run_id": config.run_id})
    return type(run)(run.path, config, summary, run.score_table, run.sample_table, run.cost)


@pytest.fixture
def rows(make_run):
    runs = [
        make_run("rebeca", VALUES),
        of(make_run("shop-tools/draw", VALUES), "shop-tools"),
        of(make_run("delivered", VALUES, external=True), "shop-tools"),
        of(make_run("local/mine", VALUES), "local"),
    ]
    (table,) = standings(runs)
    return table.rows


PARTS = {
    "a metric": ({"metrics": ["true-taste", "shop-tools/taste@5"]}, "metric shop-tools/taste@5"),
    "the data": ({"dataset": "shop-tools/data"}, "data set shop-tools/data"),
    "the judges": ({"stack": "shop-tools/models"}, "stack shop-tools/models"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_method_that_its_own_package_measures_is_told(rows, part):
    changes, named = PARTS[part]
    about = {"metrics": ["true-taste"], "dataset": "tasteworld", "stack": "sandbox", **changes}
    (note,) = kinship_notes(get_board("controlled"), rows=rows, **about)
    assert note.startswith("shop-tools/draw: of the same package, shop-tools, as " + named)
    assert "delivered" not in note  # made elsewhere: nobody knows by which package


def test_what_one_session_registers_is_of_one_hand(rows):
    board = get_board("controlled").model_copy(update={"name": "local/board"})
    (note,) = kinship_notes(board, ["local/a", "local/b"], "tasteworld", "sandbox", rows)
    assert note.startswith("local/mine: of the same package, local, as metric local/a, metric")
    assert "board local/board" in note


def test_another_package_s_metric_is_nobodys_kin(rows):
    board = get_board("controlled")
    assert not kinship_notes(board, ["other/taste"], "tasteworld", "sandbox", rows)
    assert not kinship_notes(board, ["true-taste"], "tasteworld", "sandbox", rows)


def test_a_table_carries_the_note(make_run):
    board = get_board("catalogue")
    assert board.accepts("shop-tools/data")
    values = {board.headline: np.linspace(0.2, 0.8, 4)}
    options = {"board": "catalogue", "dataset": "shop-tools/data"}
    runs = [
        make_run("rebeca", values, **options),
        of(make_run("shop-tools/draw", values, **options), "shop-tools"),
    ]
    (table,) = standings(runs)
    assert sum("of the same package, shop-tools" in note for note in table.notes) == 1


def test_versions_are_of_built_in_methods_only(make_run):
    """A plugin of another version than the anchors beside it is no second version of this one."""
    plugin = of(make_run("shop-tools/draw", VALUES), "shop-tools", version="9.9")
    table, *_ = standings([make_run("rebeca", VALUES), plugin])
    assert not any("versions of this package" in note for note in table.notes)
    other = make_run("rebeca-v1", VALUES, version="0.2.0")
    table, *_ = standings([make_run("rebeca", VALUES), plugin, other])
    assert any("of 2 versions of this package" in note for note in table.notes)
