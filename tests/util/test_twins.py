"""A picture is found again after what leaves it the same to the eye, and others are not."""

import numpy as np
import pytest
from changed_pictures import CHANGES, changed

from persongen_bench.util import twins
from persongen_bench.worlds.tasteworld.attributes import draw_scenes
from persongen_bench.worlds.tasteworld.render import render

N = 40
PICTURES = render(draw_scenes(N, np.random.default_rng(0)), np.arange(N, dtype=np.uint64))
ITEMS = twins.thumbnails(list(PICTURES))


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_picture_is_nearest_to_itself(name):
    queries = twins.thumbnails([changed(p, name, k) for k, p in enumerate(PICTURES)])
    place, far = twins.nearest(queries, ITEMS)
    assert (place == np.arange(N)).mean() >= 0.95
    assert (far <= 6).mean() >= (0.95 if len(CHANGES[name]) < 2 else 0.6)
    assert np.allclose(far, 0) == (name in {"none", "flip"})  # a mirror image is the same again
    own = twins.difference(queries, ITEMS)
    assert (own >= far - 1e-9).mean() >= 0.95  # hardly ever is the nearest no candidate
    same = place == np.arange(N)
    assert (own[same] <= far[same] + 1e-9).all()


def test_others_are_far():
    _, far = twins.nearest(ITEMS, ITEMS, np.arange(N))
    assert (far > 6).mean() > 0.9


def test_a_skipped_item_does_not_count():
    place, far = twins.nearest(ITEMS[:3], ITEMS, np.array([0, -1, 5]))
    assert place[1:].tolist() == [1, 2]
    assert place[0] != 0
    assert far[0] > 0


def test_without_items_nothing_is_near():
    place, far = twins.nearest(ITEMS[:2], ITEMS[:0])
    assert place.tolist() == [-1, -1]
    assert np.isinf(far).all()
    place, far = twins.nearest(ITEMS[:1], ITEMS[:1], np.array([0]))
    assert place.tolist() == [-1]
    assert np.isinf(far).all()
    assert twins.difference(ITEMS[:0], ITEMS[:0]).shape == (0,)


def test_a_difference_is_the_root_mean_square_in_grey_levels():
    """By hand: an even grey moved by 5 levels differs by 5 wherever it is laid."""
    grey = np.full((3, 64, 64), 100, dtype=np.uint8)
    small = twins.thumbnails([grey, grey + 5])
    assert twins.difference(small[:1], small[1:]) == pytest.approx([5.0])


def test_parts_do_not_matter(monkeypatch):
    whole = twins.nearest(ITEMS[:9], ITEMS, np.arange(9))
    monkeypatch.setattr(twins, "_BLOCK", 4)
    monkeypatch.setattr(twins, "_PAIRS", 3)
    parts = twins.nearest(ITEMS[:9], ITEMS, np.arange(9))
    assert parts[0].tolist() == whole[0].tolist()
    assert parts[1] == pytest.approx(whole[1])
