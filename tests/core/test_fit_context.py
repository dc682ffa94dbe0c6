"""What the loop hands to a method leads to no held-out item: not by attribute, not by closure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persongen_bench.core.dataset import Split, View
from persongen_bench.core.errors import DataError
from persongen_bench.loop.fit_home import fit_context
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


def validated(world: World) -> World:
    """Half of the held-out items' rows are for choosing settings; dSprites' split has none."""
    items = sorted(world.split.test["item_id"].unique())
    first = world.split.test["item_id"].isin(items[:20])
    parts = [world.split.test[rows].reset_index(drop=True) for rows in (~first, first)]
    split: Split = replace(world.split, test=parts[0], validation=parts[1], tuning=True)
    return replace(world, split=split)


def test_methods_that_read_validation_rows_reach_these_and_no_tested_item(world):
    world = validated(world)
    context = fit_context(world, 0, privileged=False, validated=True)
    assert context.validation is not None
    assert context.validation.hash == world.dataset.validation_view(world.split).hash
    tested = set(world.split.test["item_id"])
    assert len(tested) == 20
    context.features("image_encoder", world.train)
    mine = context.features("image_encoder", context.validation)
    assert find_strings((context, world.train), tested) == {}
    catalog = context.validation.catalog
    fresh = world.stack.role("image_encoder").encode(catalog.images(catalog.ids))
    np.testing.assert_array_equal(mine, fresh)  # same images, same encoder: equal to the last bit


def test_features_of_a_tested_item_cannot_be_asked_for(world):
    """Not among the items of either view, nor among those the features cover."""
    world = validated(world)
    context = fit_context(world, 0, privileged=False, validated=True)
    item = world.split.test["item_id"].iloc[0]
    for view in (world.train, context.validation):
        with pytest.raises(DataError, match="unknown item"):
            context.features("image_encoder", View.unrated(view.catalog.subset([item])))
    shown = world.dataset.catalog.subset(
        {*world.train.catalog.ids, *context.validation.catalog.ids}
    )
    with pytest.raises(KeyError, match=item):
        world.features.restricted(shown).rows("image_encoder", [item])


def test_others_get_no_validation_row(world):
    world = validated(world)
    context = fit_context(world, 0, privileged=False)
    assert context.validation is None
    hidden = set(world.split.validation["item_id"]) | set(world.split.test["item_id"])
    assert find_strings((context, world.train), hidden) == {}
    closed = replace(world, split=replace(world.split, tuning=False))
    assert fit_context(closed, 0, privileged=False, validated=True).validation is None
