"""The reference track end to end: several requests a user, their board, strips and plane."""

import numpy as np
import pytest
from PIL import Image as PilImage

import persongen_bench as pb
from persongen_bench.core.errors import ConfigError

TINY = {
    "n_panel": 3, "n_cold": 2, "n_users": 12, "n_items": 300, "n_ratings": 900,
    "panel_ratings": 80, "cold_ratings": 80, "n_references": 3,
}  # fmt: skip
ASKED = {
    "track": "reference", "data_options": TINY, "n_images": 2, "beside": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGBENCH_CACHE", str(folder / "cache"))
        yield pb.run_many(["copy-reference", "random-item", "grd"], runs=folder / "runs", **ASKED)


@pytest.mark.slow
def test_everybody_is_asked_for_several_references(made):
    copied = made[0]
    assert copied.summary.n_ok == 3 * 3 * 2
    assert copied.results.samples["request_id"].nunique() == 9
    assert copied.results.config.board == "tasteworld-reference"
    metrics = copied.summary.metrics
    assert metrics["agreement"].mean > 0.98
    assert metrics["legibility"].mean > 0.98
    assert metrics["cis@reference"].mean == pytest.approx(1, abs=1e-5)
    # Two equal images of a request have cosine 1; those of other requests are not compared.
    assert metrics["diversity"].mean == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_who_ignores_the_instruction_agrees_by_chance(made):
    # A seventh of the shapes and of the colours, a third of the sizes: .206; 18 pictures.
    assert made[1].summary.metrics["agreement"].mean == pytest.approx(0.206, abs=0.25)


@pytest.mark.slow
def test_nobody_knows_a_target_here(made):
    unknown = made[2].summary
    assert unknown.n_ok == 0
    assert unknown.states == {"method_error": 18}
    assert unknown.metrics["agreement"].mean == 0


@pytest.mark.slow
def test_the_board_draws_its_plane_and_strips_beside_the_runs(made):
    # made lie in RUNS/tasteworld-reference: the pictures come beside them.
    board = made[0].path.parent
    drawn = pb.leaderboard(board.parent).draw_requests()
    assert drawn == [board / "plane.png", board / "strips.png"]
    for path in drawn:
        with PilImage.open(path) as image:
            assert image.width > 300


@pytest.mark.slow
def test_strips_and_plane_of_the_table(made, tmp_path):
    tables = pb.leaderboard(made[0].path.parent)
    tables.draw_strips(tmp_path / "strips.png")
    tables.plot(tmp_path / "plane.svg")
    assert "<!-- agreement -->" in (tmp_path / "plane.svg").read_text(encoding="utf-8")
    with (
        PilImage.open(tmp_path / "strips.png") as strips,
        PilImage.open(made[0].contact_sheet) as sheet,
    ):
        assert strips.height == sheet.height
        # Of six requests the reference and the copies of it: the same 96 x 96 pixels twice.
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    width = 96
    left = 24 + 168 + 4 * (45 + 6) - 6 + 24
    row = slice(84 + 62, 84 + 62 + width)
    reference = pixels[row, left : left + width]
    copy = pixels[row, left + width + 24 : left + 2 * width + 24]
    np.testing.assert_array_equal(reference, copy)


@pytest.mark.slow
def test_a_table_without_its_runs_draws_no_strips(made, tmp_path):
    tables = pb.leaderboard(made[0].path.parent)
    with pytest.raises(ConfigError, match="not at hand"):
        type(tables)(tables.tables).draw_strips(tmp_path / "strips.png")
