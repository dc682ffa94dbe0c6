"""The same data with other names: users and items called otherwise, and in another order."""

from dataclasses import replace

import numpy as np

from persongen_bench.core.types import Catalog
from persongen_bench.testing.toy import HueTaste, world_of


def renamed_ratings(ratings, embeddings, seed):
    """Users, items and rows shuffled; returns ratings, embeddings, and user u's new place."""
    rng = np.random.default_rng(seed)
    user, item = rng.permutation(len(ratings.users)), rng.permutation(len(ratings.items))
    rows = rng.permutation(len(ratings))
    moved = replace(
        ratings.take(rows), user=user[ratings.user[rows]], item=item[ratings.item[rows]]
    )
    return moved, embeddings[np.argsort(item)], user


def renamed_context(context, seed):
    """A toy context after a renaming; returns it and the new name of every user."""
    rng = np.random.default_rng(seed)
    data = context.world.dataset
    user = dict(zip(context.users, rng.permutation([f"u{k}" for k in range(6)]), strict=True))
    ids = [f"i{k:03}" for k in range(len(data.catalog.ids))]
    item = dict(zip(data.catalog.ids, rng.permutation(ids), strict=True))
    items = data.catalog.items.rename(index=item).rename_axis("item_id").sort_index()
    log = data.interactions
    log = log.assign(user_id=log["user_id"].map(user), item_id=log["item_id"].map(item))
    taste = HueTaste({user[name]: hue for name, hue in data.taste.hues.items()})
    world = world_of(
        replace(
            data,
            catalog=Catalog(items, data.catalog.source),
            interactions=log.sample(frac=1, random_state=seed).reset_index(drop=True),
            taste=taste,
        )
    )
    names = context.samples["user_id"].map(user)
    samples = context.samples.assign(user_id=names, unit=names)
    moved = replace(context, world=world, samples=samples, _memo={})
    order = np.lexsort((samples["index"], samples["user_id"]))
    return moved.reordered([int(k) for k in order]), user
