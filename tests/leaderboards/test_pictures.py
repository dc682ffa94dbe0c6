"""Pictures show the users they say, the numbers of the table, and nothing by choice."""

import re

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core.errors import ConfigError
from persongen_bench.leaderboards import pictures
from persongen_bench.leaderboards.pictures import UserStrip, contact_sheet
from persongen_bench.leaderboards.plots import forest_plot, precision_recall_plot
from persongen_bench.leaderboards.ranking import standings
from persongen_bench.leaderboards.sweeps import families

RED, BLUE = (210, 30, 40), (20, 60, 200)


def solid(colour, height=64, width=64):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, height, width)).copy()


def strips(n, made=(BLUE,)):
    return [
        UserStrip(f"u{i}", [solid(RED)] * 3, [None if c is None else solid(c) for c in made], 0.5)
        for i in range(n)
    ]


def draw(tmp_path, rows, n_users=None):
    path = tmp_path / "sheet.png"
    contact_sheet(rows, path, title="m", headline="true-taste", n_users=n_users or len(rows))
    with PilImage.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def count(pixels, colour):
    return int((pixels == np.array(colour)).all(axis=2).sum())


@pytest.fixture
def printed(monkeypatch):
    """Every text that is drawn."""
    texts = []
    real = pictures.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        pictures.ImageDraw.ImageDraw,
        "text",
        lambda self, at, text, **k: (texts.append(text), real(self, at, text, **k))[1],
    )
    return texts


def test_every_image_is_drawn_at_its_full_size(tmp_path):
    pixels = draw(tmp_path, strips(4, made=(BLUE, BLUE)))
    assert count(pixels, RED) == 4 * 3 * 128 * 128  # 64 x 64 sprites doubled: no blurred edge
    assert count(pixels, BLUE) == 4 * 2 * 128 * 128


def test_small_images_are_enlarged_without_blur(tmp_path):
    checks = np.indices((64, 64)).sum(axis=0) % 2
    image = np.where(checks, np.array(RED)[:, None, None], np.array(BLUE)[:, None, None])
    pixels = draw(tmp_path, [UserStrip("u", [image.astype(np.uint8)], [], 0.5)])
    assert count(pixels, RED) == count(pixels, BLUE) == 128 * 128 // 2  # no colour in between


def test_liked_stand_above_generated(tmp_path):
    pixels = draw(tmp_path, strips(1))
    liked = np.argwhere((pixels == RED).all(axis=2))[:, 0]
    made = np.argwhere((pixels == BLUE).all(axis=2))[:, 0]
    assert liked.max() < made.min()


@pytest.mark.parametrize(("height", "width"), [(500, 250), (30, 10), (1, 300), (64, 64), (90, 100)])
def test_mixed_sizes_keep_their_proportions_and_their_cell(tmp_path, height, width):
    rows = [UserStrip("u", [solid(RED, height, width)], [solid(BLUE)], 0.1)]
    where = np.argwhere((draw(tmp_path, rows) == RED).all(axis=2))
    tall, wide = where.max(axis=0) - where.min(axis=0) + 1
    assert max(tall, wide) <= 128
    assert max(tall, wide) > 64  # readable: more than half of the cell
    assert tall / wide == pytest.approx(height / width, rel=0.05) or min(tall, wide) == 1


def test_no_more_than_twelve_users_and_a_note_of_how_many_there_are(tmp_path, printed):
    draw(tmp_path, strips(14), n_users=210)
    assert any(text.startswith("first 12 of 210 users") for text in printed)
    assert "u11" in printed
    assert "u12" not in printed


def test_all_users_are_called_all(tmp_path, printed):
    draw(tmp_path, strips(3))
    assert any(text.startswith("all 3 users") for text in printed)
    assert not any("crossed" in text for text in printed)


def test_undelivered_images_are_crossed_and_explained(tmp_path, printed):
    with_gap = draw(tmp_path, strips(1, made=(BLUE, None)))
    assert any("crossed: not delivered" in text for text in printed)
    assert count(with_gap, BLUE) == 128 * 128


def test_users_without_likes_or_value_are_said_to_have_none(tmp_path, printed):
    draw(tmp_path, [UserStrip("u", [], [], float("nan"))])
    assert "no liked images" in printed
    assert "no generated images" in printed
    assert "true-taste undefined" in printed


def test_long_ids_stay_apart(tmp_path, printed):
    ids = [f"a-very-long-worker-identifier-{i}" for i in (1, 2)]
    draw(tmp_path, [UserStrip(user, [solid(RED)], [solid(BLUE)], 0.1) for user in ids])
    shown = [text for text in printed if text.startswith("a-very")]
    assert len(set(shown)) == 2
    assert all("\N{HORIZONTAL ELLIPSIS}" in text for text in shown)


def test_the_sheet_is_the_same_bytes_every_time_and_needs_users(tmp_path):
    for name in ("a.png", "b.png"):
        contact_sheet(strips(2), tmp_path / name, title="m", headline="t", n_users=2)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(ConfigError, match="at least one user"):
        contact_sheet([], tmp_path / "c.png", title="m", headline="t", n_users=0)


# --- plots ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(board_runs):
    (only,) = standings(board_runs)
    return only


def svg_text(path):
    """Words of an SVG: matplotlib writes them as comments beside their outlines."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_sweeps_form_families_in_order_of_their_value(table):
    found = families(table.methods)
    assert [p.setting for p in found["rebeca[guidance_scale]"]] == [1, 3, 7]
    assert [p.setting for p in found["rebeca"]] == [None]
    assert sum(len(points) for points in found.values()) == len(table.methods)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["m[a=1,b=2]", "m[a=3,b=2]"], {"m[a,b=2]": [1, 3]}),
        (["m[a=1,b=9]", "m[a=1,b=-2.5]", "m[a=1,b=1e-3]"], {"m[a=1,b]": [-2.5, 1e-3, 9]}),
        (["m[a=1]"], {"m[a=1]": [None]}),  # one value is no sweep
        (["m[preset=x]", "m[preset=y]"], {"m[preset=x]": [None], "m[preset=y]": [None]}),
        (["m[a=1]", "n[a=2]"], {"m[a=1]": [None], "n[a=2]": [None]}),
    ],
)
def test_what_differs_in_one_number_is_a_sweep(table, labels, expected):
    rows = [table.methods[0].model_copy(update={"label": label}) for label in labels]
    found = {name: [p.setting for p in points] for name, points in families(rows).items()}
    assert found == expected


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
@pytest.mark.parametrize("plot", [precision_recall_plot, forest_plot])
def test_plots_are_written_and_reproducible(table, tmp_path, plot, suffix):
    for name in ("a", "b"):
        plot(table, tmp_path / f"{name}{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data == (tmp_path / f"b{suffix}").read_bytes()
    assert len(data) > 3000


def test_precision_recall_names_every_method_anchor_and_reported_row(table, tmp_path):
    precision_recall_plot(table, tmp_path / "pr.svg")
    text = svg_text(tmp_path / "pr.svg")
    assert {"rebeca", "rebeca-v1", "rebeca[guidance_scale]", "random-item"} <= set(text)
    assert {f"{row.label} (anchor)" for row in table.anchors} <= set(text)
    assert {"REBECA (reported)", "Random (reported)"} <= set(text)
    assert {"1", "3", "7"} <= set(text)  # the sweep's values at its points
    assert "precision@20" in text
    assert any(t.startswith("recall@20") for t in text)


def points_of(monkeypatch, draw_it):
    """Centres and error bars that a plot draws."""
    from matplotlib.axes import Axes

    drawn, real = [], Axes.errorbar
    monkeypatch.setattr(
        Axes,
        "errorbar",
        lambda self, x, y, **k: (drawn.append((x, y, k)), real(self, x, y, **k))[1],
    )
    draw_it()
    return drawn


def test_precision_recall_draws_the_numbers_of_the_table(table, tmp_path, monkeypatch):
    drawn = points_of(monkeypatch, lambda: precision_recall_plot(table, tmp_path / "pr.png"))
    by_label = {k["label"]: (x, y, k) for x, y, k in drawn}
    (x,), (y,), keywords = by_label["rebeca"]
    row = next(row for row in table.methods if row.label == "rebeca")
    recall, precision = row.cells["recall@20"], row.cells["precision@20"]
    assert (x, y) == pytest.approx((recall.mean * 1000, precision.mean))  # printed in 1e-3
    (below,), (above,) = keywords["yerr"]
    assert (y - below, y + above) == pytest.approx((precision.low, precision.high))
    (below,), (above,) = keywords["xerr"]
    assert (x - below, x + above) == pytest.approx((recall.low * 1000, recall.high * 1000))
    sweep = by_label["rebeca[guidance_scale]"]
    assert list(sweep[1]) == sorted(sweep[1])  # the fixture's precision rises with guidance


def test_the_forest_draws_the_paired_differences(table, tmp_path, monkeypatch):
    drawn = points_of(monkeypatch, lambda: forest_plot(table, tmp_path / "forest.png"))
    rows = [row for row in table.rows if row.versus_first]
    assert len(drawn) == len(rows) == len(table.rows) - 1
    for ((x,), _, keywords), row in zip(drawn, rows, strict=True):
        gap = row.versus_first
        assert x == pytest.approx(gap.mean)
        (below,), (above,) = keywords["xerr"]
        assert (x - below, x + above) == pytest.approx((gap.low, gap.high))
        told_apart = keywords["markerfacecolor"] != "white"
        assert told_apart == (gap.p_holm is not None and gap.p_holm <= 0.05)


def test_plots_refuse_what_they_cannot_draw(table, make_run, tmp_path):
    with pytest.raises(ConfigError, match=r"Endings are: \.png, \.pdf, \.svg"):
        forest_plot(table, tmp_path / "forest.gif")
    with pytest.raises(ConfigError, match="no precision and recall at 5 in this table"):
        precision_recall_plot(table, tmp_path / "pr.png", k=5)
    (alone,) = standings([make_run("rebeca", {"true-taste": [0.5] * 4})])
    with pytest.raises(ConfigError, match="no two methods to compare"):
        forest_plot(alone, tmp_path / "forest.png")
    with pytest.raises(ConfigError, match="no precision and recall in this table"):
        precision_recall_plot(alone, tmp_path / "pr.png")
    assert not list(tmp_path.iterdir())


def test_hostile_names_are_drawn_as_they_are(make_run, tmp_path):
    values = {
        "true-taste": [0.5, 0.6, 0.7],
        "precision@5": [0.5, 0.6, 0.7],
        "recall@5": [0.1, 0.2, 0.3],
    }
    labels = ("_hidden", "$x^2", "$\\frac{1$<b>")
    (table,) = standings([make_run(label, values, name="x") for label in labels])
    precision_recall_plot(table, tmp_path / "pr.svg")
    forest_plot(table, tmp_path / "forest.png")
    text = " ".join(svg_text(tmp_path / "pr.svg"))
    assert "_hidden" in text
    assert "$x^2" in text


def test_drawing_leaves_matplotlibs_settings_alone(table, tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    precision_recall_plot(table, tmp_path / "pr.png")
    assert dict(mpl.rcParams) == before
