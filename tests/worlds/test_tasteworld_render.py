"""The renderer of tasteworld: laws of its pictures, and what its attributes promise."""

from __future__ import annotations

import numpy as np
import pytest

from persongen_bench.core.errors import DataError
from persongen_bench.worlds.tasteworld import attributes as world_of
from persongen_bench.worlds.tasteworld.render import RADII, SIZE, render, uniform


def seeds(n, start=0):
    return np.arange(start, start + n, dtype=np.uint64)


def scene(**values):
    chosen = {name: table[0] for name, table in world_of.ATTRIBUTES.items()} | values
    return world_of.encode([[chosen[name] for name in world_of.NAMES]])


def test_every_scene_has_a_number_and_back():
    everything = world_of.scene_at(np.arange(world_of.N_SCENES))
    assert len(np.unique(everything, axis=0)) == world_of.N_SCENES == 7 * 7 * 3 * 6 * 5
    np.testing.assert_array_equal(world_of.scene_index(everything), np.arange(world_of.N_SCENES))
    np.testing.assert_array_equal(
        world_of.encode(world_of.decode(everything[::97])), everything[::97]
    )


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (np.zeros((2, 4), dtype=int), r"expected scenes \(n, 5\)"),
        (np.array([[0, 0, 0, 0, 0], [0, 0, 3, 0, 0]]), "scene 1: size = 3, expected 0 to 2"),
        (np.array([[-1, 0, 0, 0, 0]]), "scene 0: shape = -1"),
    ],
)
def test_codes_outside_the_tables_are_named(codes, said):
    with pytest.raises(DataError, match=said):
        render(codes, seeds(len(codes)))


def test_captions_name_every_value_in_every_template():
    codes = world_of.draw_scenes(20, np.random.default_rng(0))
    for row, values in zip(codes, world_of.decode(codes), strict=True):
        for template in range(len(world_of.TEMPLATES)):
            said = world_of.caption(row, template)
            assert all(value in said for value in values), said
        assert world_of.caption(row, len(world_of.TEMPLATES)) == world_of.caption(row, 0)


def test_pictures_depend_on_their_own_scene_and_seed_alone():
    codes = world_of.draw_scenes(150, np.random.default_rng(1))
    together = render(codes, seeds(150))
    assert together.shape == (150, 3, SIZE, SIZE)
    assert together.dtype == np.uint8
    for k in (0, 63, 64, 149):
        alone = render(codes[k : k + 1], seeds(1, k))[0]
        np.testing.assert_array_equal(together[k], alone)
    order = np.random.default_rng(2).permutation(150)
    np.testing.assert_array_equal(render(codes[order], seeds(150)[order]), together[order])


def test_no_pictures():
    assert render(np.zeros((0, 5), dtype=int), seeds(0)).shape == (0, 3, SIZE, SIZE)


def test_seeds_are_as_many_as_scenes():
    with pytest.raises(ValueError, match="1 scenes and 2 seeds"):
        render(scene(), seeds(2))


def test_a_seed_moves_the_object_and_keeps_the_scene():
    pictures = render(np.repeat(scene(), 40, axis=0), seeds(40))
    assert len({p.tobytes() for p in pictures}) == 40


@pytest.mark.parametrize("name", world_of.NAMES)
def test_every_value_of_every_attribute_looks_different(name):
    """Same seed, one attribute changed: at least 2% of the pixels differ visibly (32 of 255).

    The least is between neighbouring sizes and between outlined shapes."""
    base = world_of.encode([("star", "red", "medium", "paper", "flat")])
    pictures = []
    for code in range(len(world_of.ATTRIBUTES[name])):
        codes = base.copy()
        codes[0, world_of.NAMES.index(name)] = code
        pictures.append(render(codes, seeds(1))[0].astype(int))
    for i, first in enumerate(pictures):
        for second in pictures[i + 1 :]:
            assert (np.abs(first - second).max(axis=0) >= 32).mean() > 0.02


def test_sizes_cover_the_areas_of_their_radii():
    """A disc covers pi (0.95 r)^2 pixels, up to the 0.7 pixels by which the radius varies."""
    codes = [scene(shape="circle", size=size, background="paper", style="flat")[0]
             for size in world_of.ATTRIBUTES["size"]]  # fmt: skip
    pictures = render(np.array(codes), seeds(3)).astype(int)
    red = (pictures[:, 0] - pictures[:, 1]) > 100
    for area, radius in zip(red.sum(axis=(1, 2)), RADII, strict=True):
        assert np.pi * (0.95 * (radius - 0.8)) ** 2 < area < np.pi * (0.95 * (radius + 0.8)) ** 2


def test_the_pixel_style_is_made_of_equal_blocks():
    picture = render(scene(style="pixel"), seeds(1))[0]
    inner = picture.reshape(3, 16, 4, 16, 4)[:, :, :3, :, :3]
    assert (inner == inner[:, :, :1, :, :1]).all()


def test_an_outline_lets_the_background_through_in_the_middle():
    flat, outline = (render(scene(shape="square", size="large", style=style), seeds(1))[0]
                     for style in ("flat", "outline"))  # fmt: skip
    corner = outline[:, 1, 1]
    np.testing.assert_array_equal(outline[:, 32, 32], corner)
    assert (flat[:, 32, 32] != corner).any()


def test_object_stays_inside_the_picture():
    """The outermost rows show the background, whatever the seed; only the tip of a large star
    (1.08 * 26.7 pixels from a centre up to 2.3 off the middle: 31.1 of 31.5) may tint a few."""
    for shape in world_of.ATTRIBUTES["shape"]:
        codes = np.repeat(scene(shape=shape, size="large"), 60, axis=0)
        rims = render(codes, seeds(60))[:, :, [0, -1], :]
        tinted = (rims != rims[:, :, :1, :1]).any(axis=1).sum(axis=(1, 2))
        assert tinted.max() <= (4 if shape == "star" else 0), shape


def test_chances_are_uniform_and_have_no_state():
    """splitmix64: means of 20,000 draws lie within 4 standard errors (0.0082) of one half."""
    found = uniform(seeds(20_000), 3)
    np.testing.assert_array_equal(found[7:9], uniform(seeds(2, 7), 3))
    assert found.min() >= 0
    assert found.max() < 1
    assert np.abs(found.mean(axis=0) - 0.5).max() < 0.0082
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.03


def test_chances_are_those_of_the_published_generator():
    """First outputs of splitmix64 for seed 1234567 (Vigna's reference: 6457827717110365317,
    3203168211198807973), cut to 24 bits."""
    found = uniform(np.array([1234567], dtype=np.uint64), 2)[0]
    expected = [(n >> 40) / 2**24 for n in (6457827717110365317, 3203168211198807973)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0)
