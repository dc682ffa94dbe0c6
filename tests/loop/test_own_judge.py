"""No judge grades its own student: what a method used is noted, and its judges are marked."""

from __future__ import annotations

import pytest

from persongen_bench.leaderboards.cells import OWN_JUDGE
from persongen_bench.leaderboards.ranking import collect
from persongen_bench.leaderboards.render import FORMATS, render
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.role_record import RecordingStack, same_weights
from persongen_bench.loop.run import Job, run
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import WorldRef, load_world
from persongen_bench.testing.toy_stack import ToyStack

SHA = "sha256:" + "ab12" * 16


def test_stack_notes_what_it_gives_out_but_not_the_decoder():
    stack = RecordingStack(ToyStack())
    stack.role("decoder")
    assert stack.used == {}
    model = stack.role("clip")
    assert model.encode is not None
    assert stack.used == {"clip": "toy-clip|impl:1"}
    assert (stack.name, stack.roles, stack.signature) == ("toy", ToyStack().roles, "toy|impl:1")


@pytest.mark.parametrize(
    ("signature", "model", "same"),
    [
        (f"cis|clip:m|weights:{SHA}|impl:1", f"m|resize:9|weights:{SHA}|impl:1", True),
        (f"hps|on:(m|weights:{SHA})|impl:1", f"m|weights:{SHA}|impl:1", True),
        (f"cis|clip:m|weights:{SHA}|impl:1", "other|weights:sha256:" + "0" * 64, False),
        ("gap|image_encoder:pixels|v:1|impl:1", "pixels|v:1", True),
        ("gap|image_encoder:pixels|v:1|impl:1", "pixels|v:2", False),
    ],
)
def test_judges_are_told_by_their_weights(signature, model, same):
    assert same_weights(signature, model) == same


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own-judge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        world = load_world(WorldRef("dsprites", "sprites", {"n_images": 400}))
        metrics = ("true-taste", "taste-gap", "novelty")
        protocol = Terms("controlled", "controlled", metrics, 3, 5)
        for name in ("nearest-item", "random-item"):
            run(Job(world, protocol, MethodChoice(name)), folder / "runs")
    return folder / "runs"


def test_mark_stands_on_the_board(runs):
    (table,) = collect(runs)
    cells = {row.label: row.cells for row in table.rows}
    # The sprites stack has one image space: nearest-item searches in it, and novelty judges in it.
    assert cells["nearest-item"]["novelty"].own_judge
    assert not cells["random-item"]["novelty"].own_judge
    assert not cells["nearest-item"]["true-taste"].own_judge  # the world's own reader


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_it(runs, form):
    text = render(collect(runs), form)
    expected = {"csv": "True", "json": '"own_judge": true', "latex": r"\circ"}
    assert expected.get(form, OWN_JUDGE) in text
