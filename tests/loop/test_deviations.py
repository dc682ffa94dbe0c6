"""Pictures of another size than the protocol's, or delivered in another mode, are counted."""

from dataclasses import replace

import numpy as np
import pytest
from run_case import make_config

from persongen_bench.core.images import pixel_hash
from persongen_bench.core.output import RANKING, Ranking
from persongen_bench.core.request import Request, Sample
from persongen_bench.loop import deviations as module
from persongen_bench.loop.deviations import MODES, UNFAIR, deviations
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.schema import NOT_RANKED
from persongen_bench.loop.standin import side_of
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.world import World, WorldRef
from persongen_bench.testing.toy import toy_world
from persongen_bench.testing.toy_stack import ToyStack

SIDE = 64


class Drawing(ToyStack):
    """Draws squares of one size."""

    image_size = SIDE


@pytest.fixture
def world():
    toy = toy_world()
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
    run = run_of((SIDE, SIDE), (16, 16), (17, 300), (16, 16), None)
    (said,) = deviations(run, world)
    assert said == "3 of 4 images are not 64x64, which the stack draws: 16x16 (2), 300x17 (1)"


@pytest.fixture(params=["the stack's", "the catalogue's"])
def of_side(request, world, monkeypatch):
    """Worlds whose pictures have sides of 64 pixels."""
    monkeypatch.setattr(module, "smallest_side", lambda _: SIDE)
    return world if request.param == "the stack's" else replace(world, stack=ToyStack())


@pytest.mark.parametrize(
    ("sizes", "n_tiny", "ranked"),
    [
        ([(16, 16)] * 4, 0, True),
        ([(SIDE, SIDE)] * 2 + [(15, 90), (8, 8)], 2, True),  # a half is not more than a half
        ([(SIDE, SIDE), (31, 31)] + [(90, 15)] * 3, 3, False),
        ([(15, 15)], 1, False),
    ],
)
def test_a_run_mostly_of_pictures_below_a_quarter_of_the_side_is_not_ranked(
    of_side, run_of, sizes, n_tiny, ranked
):
    (said,) = deviations(run_of(*sizes), of_side)
    assert said.startswith(NOT_RANKED) != ranked
    assert said.endswith(f"; {n_tiny} are below a quarter of the side") == bool(n_tiny)


def test_what_an_older_version_took_for_pictures_is_not_ranked(of_side, run_of):
    (said,) = deviations(run_of(*[(SIDE, SIDE)] * 5, (7, 90)), of_side)
    assert said.startswith(NOT_RANKED)


def test_pictures_of_the_protocol_are_not_mentioned(world, run_of):
    assert deviations(run_of((SIDE, SIDE), (SIDE, SIDE)), world) == ()


def test_many_sizes_are_cut_short(world, run_of):
    (said,) = deviations(run_of(*((k, k) for k in range(21, 26))), world)
    assert said.endswith("21x21 (1), 22x22 (1), 23x23 (1), ...")


def test_where_the_stack_fixes_no_size_only_tiny_ones_are_told(world, run_of):
    """Half of the toy catalogue's smallest side, 16, is 8."""
    free = replace(world, stack=ToyStack())
    assert side_of(free) is None
    (said,) = deviations(run_of((8, 8), (7, 40), (90, 70)), free)
    assert said == (
        "Not ranked: 1 of 3 images are less than half as large as the catalogue's smallest "
        "picture: 40x7 (1)"
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
