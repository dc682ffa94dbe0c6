"""The dSprites grid, its renderer, the taste rule and the reader of attributes."""

import time

import numpy as np
import pytest

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.worlds import sprites
from persongen_bench.worlds.sprite_taste import (
    COLOUR_NAMES,
    MIN_IOU,
    TASTES,
    SpriteTaste,
    match_probability,
    read,
)

USERS = {f"{c}-{s}-0": (c, s) for c, s in TASTES}


def draw(n, seed=0):
    """n random sprites of the whole grid in random colours: images, factors, colour indices."""
    rng = np.random.default_rng(seed)
    factors = sprites.to_factors(rng.integers(0, sprites.N_SPRITES, n))
    colours = rng.integers(0, len(COLOUR_NAMES), n)
    images = sprites.colourise(sprites.render(factors), [COLOUR_NAMES[c] for c in colours])
    return images, factors, colours


def one(shape, scale=5, orientation=0, x=16, y=16):
    return np.array([[0, sprites.SHAPES.index(shape), scale, orientation, x, y]])


# --- the grid ---------------------------------------------------------------------------


def test_grid_is_the_published_one():
    # Published layout: 1 x 3 x 6 x 40 x 32 x 32 = 737,280 images, the last factor fastest, so
    # that the strides are 245760, 40960, 1024, 32 and 1.
    assert np.prod(sprites.GRID) == sprites.N_SPRITES == 737_280
    strides = [sprites.to_index(row[None]).item() for row in np.eye(6, dtype=int)[1:]]
    assert strides == [245_760, 40_960, 1024, 32, 1]


def test_index_and_factors_are_inverse():
    index = np.random.default_rng(0).permutation(sprites.N_SPRITES)[:5000]
    np.testing.assert_array_equal(sprites.to_index(sprites.to_factors(index)), index)


def test_latent_values_are_the_published_ones():
    # The published latents_values: scale .5 to 1 in steps of .1, orientation 2 pi / 39 per step
    # (both ends included), positions k / 31, colour 1, shapes 1 to 3.
    values = sprites.latent_values(np.array([[0, 2, 1, 39, 31, 1]]))
    np.testing.assert_allclose(values, [[1, 3, 0.6, 2 * np.pi, 1, 1 / 31]], rtol=1e-12)


@pytest.mark.parametrize("row", [[0, 3, 0, 0, 0, 0], [0, 0, 0, 40, 0, 0], [0, 0, 0, 0, 0, -1]])
def test_factor_outside_the_grid_is_refused(row):
    with pytest.raises(DataError, match=r"sprite 1: (shape|orientation|pos_y) class"):
        sprites.to_index(np.array([[0] * 6, row]))


@pytest.mark.parametrize("index", [-1, 737_280])
def test_index_outside_the_grid_is_refused(index):
    with pytest.raises(DataError, match=r"expected 0\.\.737279"):
        sprites.to_factors(np.array([0, index]))


# --- the renderer -----------------------------------------------------------------------


def test_no_stamp_touches_its_edge_and_no_sprite_the_border():
    # Every stamp, not a sample: with a free edge, and pasted at least one pixel from the border,
    # a sprite cannot be cut off.
    table = sprites.stamps()
    assert table.any(axis=(3, 4)).all()
    assert not table[..., [0, -1], :].any()
    assert not table[..., :, [0, -1]].any()
    corners = np.array(
        [[0, s, 5, o, x, y] for s in range(3) for o in (0, 7) for x in (0, 31) for y in (0, 31)]
    )
    masks = sprites.render(corners)
    assert not masks[:, [0, -1]].any()
    assert not masks[:, :, [0, -1]].any()


@pytest.mark.parametrize("scale", range(6))
def test_areas_follow_the_outlines(scale):
    # Square: side 21 s. Ellipse: pi * 14.5 * 8 s^2. Heart: in units of 12.6 s it is, between
    # y = (sqrt|x| - sqrt(1 - x^2)) / 1.25 and y = (sqrt|x| + sqrt(1 - x^2)) / 1.25, a disc
    # sheared and squeezed by 1.25: area pi / 1.25. Pixels round the edge: 4% at the least scale.
    s = sprites.SCALES[scale]
    expected = np.array([(21 * s) ** 2, np.pi * 14.5 * 8 * s**2, np.pi / 1.25 * (12.6 * s) ** 2])
    found = sprites.stamps()[:, scale].sum(axis=(2, 3)).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=0.04)


def test_position_moves_by_whole_pixels():
    start = sprites.render(one("heart", x=3, y=5))[0]
    moved = sprites.render(one("heart", x=20, y=6))[0]
    np.testing.assert_array_equal(np.roll(start, (1, 17), axis=(0, 1)), moved)
    # pos_x runs to the right.
    assert np.argwhere(moved)[:, 1].min() == np.argwhere(start)[:, 1].min() + 17


def test_orientation_turns_and_ends_where_it_begins():
    # 2 pi is class 39; no symmetry of the square falls on the grid exactly (39 is not divisible
    # by 4), of the ellipse neither (39 is odd), and the heart has none.
    for shape in sprites.SHAPES:
        first, last, next_ = (sprites.render(one(shape, orientation=o))[0] for o in (0, 39, 1))
        np.testing.assert_array_equal(first, last)
        assert (first != next_).any()
    for scale in range(6):
        assert sprites.distinct_orientations(2, scale) == list(range(39))


def test_upright_heart_is_a_heart():
    # Two lobes above, a notch between them, one point below, mirror-symmetric: at every scale.
    for scale in range(6):
        heart = sprites.render(one("heart", scale=scale))[0]
        rows = heart[heart.any(axis=1)][:, heart.any(axis=0)]
        runs = (np.diff(np.pad(rows, ((0, 0), (1, 1))), axis=1) == 1).sum(axis=1)
        assert runs[0] == 2, f"scale {scale}: no two lobes"
        assert (runs[-2:] == 1).all()
        assert rows[-1].sum() <= 3 < rows[len(rows) // 3].sum()
        np.testing.assert_array_equal(rows, rows[:, ::-1])


def test_shapes_differ_at_every_scale():
    # Largest overlap of a heart and a square of the same scale over all pairs of turns, centred
    # alike. Measured 0.62 to 0.81; identical outlines would give 1.
    for scale in range(6):
        square, _, heart = sprites.stamps()[:, scale].reshape(3, 40, -1).astype(float)
        common = square @ heart.T
        iou = common / (square.sum(1)[:, None] + heart.sum(1) - common)
        assert iou.max() < 0.82


def test_rendering_is_deterministic_and_rows_are_independent():
    _, factors, _ = draw(300)
    whole = sprites.render(factors)
    np.testing.assert_array_equal(whole, sprites.render(factors))
    order = np.random.default_rng(1).permutation(300)[:77]
    np.testing.assert_array_equal(whole[order], sprites.render(factors[order]))
    assert sprites.render(factors[:0]).shape == (0, 64, 64)


def test_renders_2000_images_per_second():
    sprites.stamps()
    rng = np.random.default_rng(0)
    factors = sprites.to_factors(rng.integers(0, sprites.N_SPRITES, 4000))
    start = time.process_time()
    sprites.render(factors)
    assert 4000 / (time.process_time() - start) > 2000


def test_colour_is_the_mask_times_the_colour():
    mask = sprites.render(one("square"))
    red, blue = sprites.colourise(np.repeat(mask, 2, axis=0), ["red", "blue"])
    assert red.dtype == np.uint8
    np.testing.assert_array_equal(red[0], mask[0] * 255)
    np.testing.assert_array_equal(blue[2], mask[0] * 255)
    assert red[1:].sum() == blue[:2].sum() == 0
    with pytest.raises(DataError, match="'pink', expected one of"):
        sprites.colourise(mask, ["pink"])


# --- the reader -------------------------------------------------------------------------


def test_reader_is_right_on_every_rendered_sprite():
    images, factors, colours = draw(4000)
    seen = read(list(images))
    np.testing.assert_array_equal(seen.shape, factors[:, 1])
    np.testing.assert_array_equal(seen.colour, colours)
    # The templates hold every stamp, and the centroid is rounded both ways: exactly 1.
    assert (seen.iou == 1).all()
    assert seen.clear.all()


def test_reader_survives_ragged_edges():
    # Flip one in ten of the pixels on the edge: still read, for the margin between outlines is
    # far larger than that.
    images, factors, _ = draw(600, seed=3)
    masks = images.max(axis=1) > 0
    inner = masks.copy()
    for shift, axis in ((1, 1), (-1, 1), (1, 2), (-1, 2)):
        inner &= np.roll(masks, shift, axis)
    flip = (masks & ~inner) & (np.random.default_rng(0).random(masks.shape) < 0.1)
    seen = read(list(images * ~flip[:, None]))
    assert seen.clear.mean() > 0.99
    assert (seen.shape == factors[:, 1]).mean() > 0.99


def draw_anywhere(shape, scale, rng):
    """One mask with a continuous angle and a centre within half a pixel of (31.5, 31.5)."""
    axis = (np.arange(512) + 0.5) / 8 - 32
    dx, dy, angle = rng.random() - 0.5, rng.random() - 0.5, rng.random() * 2 * np.pi
    x, y = np.meshgrid((axis - dx) / scale, -(axis - dy) / scale)
    cos, sin = np.cos(angle), np.sin(angle)
    inside = sprites._inside(shape, cos * x + sin * y, cos * y - sin * x)
    return (inside.reshape(64, 8, 64, 8).sum(axis=(1, 3)) >= 32).astype(np.uint8)


@pytest.mark.parametrize("scale", range(1, 6))
def test_sprites_between_the_grid_points_are_clear(scale):
    # A generated sprite has any angle and any fraction of a pixel. Measured over 60 draws each:
    # at least 0.87 at scale 0.6 (and more at larger ones), never the wrong shape.
    rng = np.random.default_rng(scale)
    for index, shape in enumerate(sprites.SHAPES):
        masks = np.stack([draw_anywhere(shape, sprites.SCALES[scale], rng) for _ in range(30)])
        seen = read(list(sprites.colourise(masks, ["blue"] * 30)))
        assert (seen.shape == index).all()
        assert seen.clear.all()


def spoiled(kind):
    """100 pictures that are no clear sprite."""
    images, factors, _ = draw(200, seed=4)
    first = images[:100]
    rng = np.random.default_rng(5)
    if kind == "blank":
        return np.zeros_like(first)
    if kind == "white":
        return np.full_like(first, 255)
    if kind == "noise":
        return rng.integers(0, 256, first.shape).astype(np.uint8)
    if kind == "faint":
        return first // 3
    if kind == "grey":
        return np.repeat(first.max(axis=1, keepdims=True), 3, axis=1)
    if kind == "magenta":
        return first.max(axis=1, keepdims=True) * np.array([1, 0, 1], dtype=np.uint8)[:, None, None]
    if kind == "two sprites":
        factors = factors.copy()
        factors[:, 2] = 1
        factors[:100, 4:], factors[100:, 4:] = (2, 2), (25, 25)
        a, b = np.split(sprites.render(factors), 2)
        return sprites.colourise(a | b, ["red"] * 100)
    halves = first.copy()
    for image, x in zip(halves, factors[:100, 4], strict=True):
        image[:, :, x + 14 :] = 0  # the sprite's centre lies at column x + 16
    return halves


KINDS = ["blank", "white", "noise", "faint", "grey", "magenta", "two sprites"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_clear_sprite_is_worth_nothing_to_anybody(kind):
    taste = SpriteTaste(USERS, "paper")
    assert (taste.utility(list(spoiled(kind)), list(USERS)) == 0).all()


def test_most_cut_sprites_are_refused():
    # A cut square can be another square-like outline; an ellipse or heart cut in two cannot.
    assert read(list(spoiled("half"))).clear.mean() < 0.1


def test_threshold_lies_above_the_overlap_of_different_shapes():
    # So a picture that is one shape to the pixel is never taken for another clear one.
    every = sprites.stamps().reshape(3, 240, -1).astype(float)
    for a in range(3):
        for b in range(a):
            common = every[a] @ every[b].T
            iou = common / (every[a].sum(1)[:, None] + every[b].sum(1) - common)
            assert iou.max() < MIN_IOU


def test_reading_does_not_depend_on_the_batch():
    images, _, _ = draw(300, seed=6)
    images = (images * np.random.default_rng(0).random(images.shape)).astype(np.uint8)
    taste = SpriteTaste(USERS, "code")
    whole, seen = taste.utility(list(images), list(USERS)), read(list(images))
    order = np.random.default_rng(1).permutation(300)[:41]
    np.testing.assert_array_equal(whole[order], taste.utility(list(images[order]), list(USERS)))
    np.testing.assert_array_equal(seen.iou[order], read(list(images[order])).iou)


def test_another_size_is_resized_first():
    image = sprites.colourise(sprites.render(one("heart")), ["blue"])[0]
    large = image.repeat(4, axis=1).repeat(4, axis=2)
    seen = read([large, image])
    assert seen.clear.all()
    assert [sprites.SHAPES[s] for s in seen.shape] == ["heart", "heart"]


# --- the rule ---------------------------------------------------------------------------


def test_rule_is_that_of_section_3():
    # REBECA section 3.1 prints .95 / .10 / .05; the released code has .01 for no match.
    np.testing.assert_array_equal(match_probability("paper", np.arange(3)), [0.05, 0.10, 0.95])
    np.testing.assert_array_equal(match_probability("code", np.arange(3)), [0.01, 0.10, 0.95])
    with pytest.raises(ConfigError, match="'papre', expected one of"):
        match_probability("papre", np.arange(3))


def test_utility_of_every_kind_for_every_user():
    kinds = [("red", "square"), ("blue", "heart"), ("red", "ellipse"), ("green", "heart")]
    masks = np.concatenate([sprites.render(one(shape, scale=1)) for _, shape in kinds])
    images = list(sprites.colourise(masks, [colour for colour, _ in kinds]))
    found = SpriteTaste(USERS, "paper").utility(images, list(USERS))
    # Columns: red square, red heart, blue square, blue heart. By hand from the rule.
    expected = [
        [0.95, 0.10, 0.10, 0.05],
        [0.05, 0.10, 0.10, 0.95],
        [0.10, 0.10, 0.05, 0.05],
        [0.05, 0.10, 0.05, 0.10],
    ]
    np.testing.assert_array_equal(found, expected)


def test_no_images_and_no_users():
    taste = SpriteTaste(USERS, "paper")
    image = sprites.colourise(sprites.render(one("heart")), ["red"])[0]
    assert taste.utility([], list(USERS)).shape == (0, 4)
    assert taste.utility([image], []).shape == (1, 0)


def test_unknown_user_is_refused():
    with pytest.raises(DataError, match="'nobody' has no known taste"):
        SpriteTaste(USERS, "paper").utility([], ["nobody"])


def test_signature_names_what_changes_the_number():
    paper, code = SpriteTaste(USERS, "paper").signature, SpriteTaste(USERS, "code").signature
    assert paper != code
    assert f"iou>={MIN_IOU:g}" in paper
    assert sprites.RENDERER in paper
