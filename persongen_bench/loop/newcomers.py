"""Users whom the fit has not seen: who they are, what they bring, and which methods take them in.

A split cut by `datasets.supports` tests people of whom a method may know k ratings. Methods that
can adapt are fitted without these people, once for all k, and then adapted; all others are fitted
on everything there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from persongen_bench.core import registry
from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext, Method, NewcomerMethod
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World


def adapt(
    method: Method,
    config: RunConfig,
    world: World,
    context: FitContext,
    fit: Callable[[RunConfig, World], Path],
) -> bool:
    """Fit ``method`` without the newcomers of ``world``, then adapt it to them.

    Args:
        method: new, neither fitted nor loaded.
        config: its run.
        world: data, split and stack of the run.
        context: what it may use; its features cover the training view of ``world``.
        fit: the folder of the fit of a run on a world.

    Returns:
        False, and nothing done, where the split has no newcomers or the method does not adapt.
    """
    uncut = world.split.support is None
    if uncut or not isinstance(method, NewcomerMethod) or not method.adapts:
        return False
    before = without_newcomers(world)
    method.load(fit(_unadapted(config), before), world.stack, before.train)
    method.adapt(support_of(world), context)
    return True


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


def _unadapted(config: RunConfig) -> RunConfig:
    """The run whose fit is shared: fields that only `adapt` reads at their defaults."""
    cls = registry.get("methods", config.method.name)
    fields = cls.Config.model_fields
    values = {
        name: fields[name].default if name in cls.adapt_fields else value
        for name, value in config.method.config.items()
    }
    return config.model_copy(update={"method": config.method.model_copy(update={"config": values})})
