"""Users whom the fit has not seen: who they are, what they bring, and which methods take them in.

A split cut by `datasets.supports` tests people of whom a method may know k ratings. Methods that
can adapt are fitted without these people, once for all k, and then adapted; all others are fitted
on everything there is.
"""

from __future__ import annotations

from dataclasses import replace

from persongen_bench.core.dataset import View
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World


def adapts(facts: MethodFacts, world: World) -> bool:
    """Whether the method is fitted without the newcomers of ``world``, and then adapted to them.

    False where the split has no newcomers or the method does not adapt: it is fitted on all.
    """
    return world.split.support is not None and facts.adapts


def without_newcomers(world: World) -> World:
    """The same world, nobody of the test part in its training part."""
    name = world.dataset.cut_of(world.split.name, 0)
    split = world.dataset.split(name, world.split.seed)
    return replace(world, ref=replace(world.ref, split=name), split=split)


def support_of(world: World) -> View:
    """What the people of the test part bring: their training rows, and the training catalogue."""
    rows = world.train.interactions
    theirs = rows["user_id"].isin(world.test.users)
    return View(world.train.catalog, rows[theirs].reset_index(drop=True))


def unadapted(config: RunConfig, facts: MethodFacts) -> RunConfig:
    """The run whose fit is shared: fields that only `adapt` reads at their defaults."""
    values = dict(facts.unadapted or facts.config)
    return config.model_copy(update={"method": config.method.model_copy(update={"config": values})})
