"""What the loop hands to a method leads to no held-out item: not by attribute, not by closure."""

from __future__ import annotations

import numpy as np
import pytest

from persongen_bench.loop.fit import fit_context
from persongen_bench.loop.world import World, WorldRef, load_world
from persongen_bench.testing.leaks import find_strings


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    monkeypatch.setenv("PGBENCH_CACHE", str(tmp_path))
    return load_world(WorldRef("dsprites", "pixels", {"n_images": 400}))


def hidden_items(world: World) -> set[str]:
    # dSprites' default split holds out 10% of the 400 items with all their rows
    hidden = set(world.dataset.catalog.ids) - set(world.train.catalog.ids)
    assert len(hidden) == 40
    return hidden


def test_method_reaches_no_held_out_item(world):
    context = fit_context(world, 0, privileged=False)
    context.features("image_encoder", world.train)  # fills whatever is cached
    assert find_strings((context, world.train), hidden_items(world)) == {}
    assert context.held_out is None
    assert context.taste is None


def test_privileged_anchor_reaches_them(world):
    context = fit_context(world, 0, privileged=True)
    assert set(find_strings(context, hidden_items(world))) == hidden_items(world)
    assert context.taste is world.dataset.taste


def test_restriction_changes_no_feature(world):
    mine = fit_context(world, 0, privileged=False).features("image_encoder", world.train)
    catalog = world.train.catalog
    fresh = world.stack.role("image_encoder").encode(catalog.images(catalog.ids))
    np.testing.assert_array_equal(mine, fresh)  # same images, same encoder: equal to the last bit
