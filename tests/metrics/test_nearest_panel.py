"""The nearest-neighbour panel: right neighbours, and a picture that shows them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PilImage

from persongen_bench.core.errors import ConfigError
from persongen_bench.instruments.audit import neighbours
from persongen_bench.instruments.audit.neighbours import (
    MAX_USERS,
    NeighbourStrip,
    Shown,
    draw_panel,
    neighbour_panel,
)
from persongen_bench.metrics.risk.nearest_panel import Neighbour, nearest, nearest_neighbours
from persongen_bench.testing.toy_scores import ToyScores, toy_score_context

ALARM = (0xC2, 0x41, 0x0C)


def planted(item_of_user):
    """Toy scores in which every image of a user is the catalogue item named for them."""
    base = toy_score_context(n_images=2)
    pictures = [base.item_images([item_of_user(base, user)])[0] for user in base.samples["user_id"]]
    return ToyScores(base.world, base.samples, tuple(pictures))


def own_training_like(context, user):
    return context.train.liked_items[user][1]


def held_out_like(context, user):
    return context.test.liked_items[user][0]


def others_item(context, user):
    k = context.users.index(user)
    return context.train.liked_items[context.users[(k + 3) % 6]][0]


def test_nearest_by_hand():
    # 10 degrees lies between 0 and 45, nearer to 0: cos 10 = .9848.
    angles = np.deg2rad([0, 45, 180])
    items = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = nearest(
        np.array([[np.cos(np.pi / 18), np.sin(np.pi / 18)]]) * 7, ["a", "b", "c"], items
    )
    assert found == [Neighbour("a", pytest.approx(0.98481, abs=1e-5))]


def test_ties_go_to_the_first():
    assert nearest(np.ones((1, 2)), ["b", "a"], np.ones((2, 2)))[0].item_id == "b"


@pytest.mark.parametrize(
    ("column", "choose"),
    [("seen", own_training_like), ("met", held_out_like), ("other", others_item)],
)
def test_planted_pictures_are_found(column, choose):
    context = planted(choose)
    found = nearest_neighbours(context)
    assert len(found) == len(context.samples)
    for one in found:
        for name in ("seen", "met", "other"):
            neighbour = getattr(one, name)
            if name == column:
                assert neighbour == Neighbour(choose(context, one.user_id), pytest.approx(1.0))
            else:
                assert neighbour.cosine < 1 - 1e-6


def test_neighbours_come_from_the_sets_they_are_named_after():
    context = toy_score_context()
    for one in nearest_neighbours(context):
        assert one.seen.item_id in context.train.liked_items[one.user_id]
        assert one.met.item_id in context.test.liked_items[one.user_id]
        assert one.other.item_id in set(context.train.catalog.ids)
        assert one.other.item_id not in context.train.liked_items[one.user_id]


def test_users_without_likes_have_no_such_neighbour():
    context = toy_score_context()
    log = context.world.test.interactions
    unliked = log.assign(liked=log["liked"] & (log["user_id"] != "user-0"))
    view = replace(context.world.test, interactions=unliked)
    context = replace(context, world=replace(context.world, test=view))
    missing = {one.user_id for one in nearest_neighbours(context) if one.met is None}
    assert missing == {"user-0"}


def test_order_of_samples_does_not_matter():
    context = toy_score_context()
    order = [int(k) for k in np.random.default_rng(0).permutation(len(context.samples))]
    shuffled = context.reordered(order)

    def said(of):
        return [(one.user_id, of.samples["index"][one.row], one.seen, one.met, one.other)
                for one in nearest_neighbours(of)]  # fmt: skip

    assert said(context) == said(shuffled)


# --- the picture ---------------------------------------------------------------------------


def read(path):
    with PilImage.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def count(pixels, colour):
    return int((pixels == np.array(colour)).all(axis=2).sum())


def solid(*colour):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, 16, 16)).copy()


def test_every_picture_is_drawn_and_near_ones_are_framed(tmp_path):
    rows = (
        [Shown(solid(10, 20, 200))],
        [Shown(solid(20, 160, 40), 1.0)],
        [Shown(solid(240, 200, 0), 0.5)],
        [None],
    )
    path = tmp_path / "panel.png"
    draw_panel([NeighbourStrip("anna", rows)], path, title="m", subtitle="s")
    pixels = read(path)
    cell = 92 * 92
    for colour in ((10, 20, 200), (240, 200, 0)):
        assert count(pixels, colour) == pytest.approx(cell, rel=0.05)
    framed = count(pixels, ALARM)
    assert framed > 300
    calm = (*rows[:1], [Shown(solid(20, 160, 40), 0.98)], *rows[2:])
    draw_panel([NeighbourStrip("anna", calm)], path, title="m", subtitle="s")
    assert count(read(path), ALARM) == 0


def test_panel_of_a_run(tmp_path, monkeypatch):
    said = []
    original = neighbours.draw_panel

    def watched(strips, path, *, title, subtitle):
        said.append(([strip.user for strip in strips], title, subtitle))
        original(strips, path, title=title, subtitle=subtitle)

    monkeypatch.setattr(neighbours, "draw_panel", watched)
    monkeypatch.setattr(neighbours, "MAX_USERS", MAX_USERS - 1)
    context = planted(own_training_like)
    path = neighbour_panel(context, tmp_path / "neighbours.png", title="copies")
    first = list(context.users[: MAX_USERS - 1])
    assert said == [(first, "copies", "first 5 of 6 users with images; cosines of judge_encoder")]
    assert count(read(path), ALARM) > 0


def test_same_run_same_bytes(tmp_path):
    context = toy_score_context(n_images=2)
    one, other = (
        neighbour_panel(context, tmp_path / f"{k}.png", title="m").read_bytes() for k in range(2)
    )
    assert one == other


def test_proportions_are_kept(tmp_path):
    # 16 high and 32 wide in a cell of 92 pixels: 92 x 46.
    wide = np.repeat(solid(10, 20, 200), 2, axis=2)
    path = tmp_path / "panel.png"
    draw_panel([NeighbourStrip("anna", ([Shown(wide)], [None], [None], [None]))], path,
               title="m", subtitle="s")  # fmt: skip
    ys, xs = np.nonzero((read(path) == (10, 20, 200)).all(axis=2))
    assert np.ptp(xs) + 1 == pytest.approx(92, abs=1)
    assert np.ptp(ys) + 1 == pytest.approx(46, abs=1)


def test_nothing_delivered_is_said(tmp_path):
    context = toy_score_context()
    empty = replace(context, samples=context.samples.iloc[:0], pictures=())
    with pytest.raises(ConfigError, match="at least one delivered image"):
        neighbour_panel(empty, tmp_path / "panel.png", title="m")
