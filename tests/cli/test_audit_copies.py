"""`pgbench audit copies` prints numbers, and its status says whether there is more than chance."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from persongen_bench.api import copies as door
from persongen_bench.api.copies import Searched
from persongen_bench.cli.app import app
from persongen_bench.instruments.audit import neighbours
from persongen_bench.loop.copies import Copies, Repeats


class Directory:
    """The parts of a run directory that are printed."""

    config = SimpleNamespace(method=SimpleNamespace(label="rebeca"))
    veil = SimpleNamespace(user=str)


def repeats(n_images, p):
    return Repeats(n_images=n_images, n_repeated=n_images, n_null=500, n_null_repeats=2, p_value=p)


def found(held_out, training):
    return Copies(
        n_images=100, n_held_out=30, n_training=60, limit=6.0, held_out=repeats(*held_out),
        training=repeats(*training),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("copies", "status", "said"),
    [
        (found((0, 1.0), (1, 0.4)), 0, "held-out: 0 images (0.0%) repeat 0 pictures within 6 grey"),
        (found((31, 1e-9), (0, 1.0)), 1, "p 1e-09, above chance at 0.001"),
        (found((0, 1.0), (90, 1e-9)), 1, "training: 90 images (90.0%) repeat 90 pictures"),
        (Copies(nothing="the answers are no pictures"), 0, "rebeca: not searched, the answers are"),
    ],
)
def test_the_status_says_whether_it_is_more_than_chance(
    monkeypatch, tmp_path, copies, status, said
):
    monkeypatch.setattr(door, "audit_copies", lambda *_: Searched(Directory, None, copies))
    monkeypatch.setattr(neighbours, "neighbour_panel", lambda _, path, **__: path)
    done = CliRunner().invoke(app, ["audit", "copies", str(tmp_path)])
    assert done.exit_code == status
    assert said in done.output
    assert ("neighbours.png" in done.output.replace("\n", "")) == (not copies.nothing)


def test_an_error_is_one_line_and_status_2(tmp_path):
    done = CliRunner().invoke(app, ["audit", "copies", str(tmp_path / "nothing")])
    assert done.exit_code == 2
