"""Pictures of another size than the protocol's, or delivered in another mode, are counted."""

from dataclasses import replace

import numpy as np
import pytest
from run_case import make_config

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.output import RANKING, Ranking
from persongen_bench.core.request import Request, Sample
from persongen_bench.loop.deviations import MODES, UNFAIR, deviations
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import NOT_RANKED
from persongen_bench.loop.standin import side_of
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import ToyStack

SIDE = 16


class Drawing(ToyStack):
    """Draws squares of one size."""

    image_size = SIDE


@pytest.fixture
def world():
    toy = toy_world()  # its pictures have sides of 16 pixels
    return World(WorldRef("toy", "toy", {}), toy.dataset, toy.split, Drawing())


def test_why_a_row_is_not_ranked_is_said(run_of, world):
    run = run_of((SIDE, SIDE))
    run.note(UNFAIR, "")
    assert deviations(run, world) == ()
    run.note(UNFAIR, "the best of eleven")
    assert deviations(run, world) == ("Not ranked: the best of eleven",)


@pytest.fixture
def run_of(tmp_path):
    """A run with pictures of these heights and widths; None: not delivered."""

    def make(*shapes):
        samples = [Sample(f"{k:016x}", k, Request("ann")) for k in range(len(shapes))]
        run = RunDirectory.create(tmp_path / "run", make_config(), samples)
        for sample, shape in zip(samples, shapes, strict=True):
            if shape is None:
                run.record([Outcome(sample.sample_id, "missing")])
                continue
            image = np.zeros((3, *shape), dtype=np.uint8)
            digests = run.write(sample.sample_id, image)
            assert digests[0] == pixel_hash(image)
            run.record([Outcome(sample.sample_id, "ok", "", *digests)])
        return run

    return make


def test_other_sizes_than_the_stack_draws_are_counted(world, run_of):
    """Width before height; the most frequent first; what was not delivered has no size."""
    run = run_of((SIDE, SIDE), (4, 4), (17, 300), (4, 4), None)
    (said,) = deviations(run, world)
    assert said == "3 of 4 images are not 16x16, which the stack draws: 4x4 (2), 300x17 (1)"


@pytest.mark.parametrize(("size", "ranked"), [((4, 4), True), ((3, 90), False), ((1, 1), False)])
def test_pictures_below_a_quarter_of_the_side_are_not_ranked(world, run_of, size, ranked):
    for stack in (world.stack, ToyStack()):
        (said,) = deviations(run_of((SIDE, SIDE), size), replace(world, stack=stack))
        assert said.startswith(NOT_RANKED) != ranked


def test_pictures_of_the_protocol_are_not_mentioned(world, run_of):
    assert deviations(run_of((SIDE, SIDE), (SIDE, SIDE)), world) == ()


def test_many_sizes_are_cut_short(world, run_of):
    (said,) = deviations(run_of(*((k, k) for k in range(1, 6))), world)
    assert said.endswith("1x1 (1), 2x2 (1), 3x3 (1), ...")


def test_where_the_stack_fixes_no_size_only_tiny_ones_are_told(world, run_of):
    """Half of the catalogue's smallest side, 16, is 8."""
    free = replace(world, stack=ToyStack())
    assert side_of(free) is None
    (said,) = deviations(run_of((8, 8), (7, 40), (90, 70)), free)
    assert said == (
        "1 of 3 images are less than half as large as the catalogue's smallest picture: 40x7 (1)"
    )


def test_modes_of_what_was_delivered_are_counted(world, run_of):
    run = run_of((SIDE, SIDE))
    run.note(MODES, {"RGB": 5, "RGBA": 3, "P": 1})
    (said,) = deviations(run, world)
    assert said == (
        "4 of 9 delivered files are not RGB of 8 bits and were converted: RGBA (3), P (1)"
    )


def test_answers_without_pictures_have_no_size(world, tmp_path):
    samples = [Sample("0" * 16, 0, Request("ann"))]
    run = RunDirectory.create(tmp_path / "run", make_config(output="ranking"), samples)
    assert run.kind is RANKING
    run.record([Outcome(samples[0].sample_id, "ok", "", *run.write("0" * 16, Ranking(("a",))))])
    assert deviations(run, world) == ()
