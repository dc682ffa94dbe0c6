"""A method that is about to be fitted: what it may use and see, and the home that it has."""

from __future__ import annotations

from persongen_bench.core.dataset import View
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import Catalog
from persongen_bench.loop import newcomers
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.role_record import RecordingStack
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.world import World


def fit_context(
    world: World,
    seed: int,
    *,
    privileged: bool,
    asked: Asked | None = None,
    stack: RecordingStack | None = None,
    validated: bool = False,
) -> FitContext:
    """What a method may use while it fits; held-out items only for privileged anchors.

    ``validated``: whether it gets the validation rows, and features of their items.
    """
    fitted = () if asked is None else users_of(world, asked)
    stack = stack or RecordingStack(world.stack)
    validation = world.validation if validated else None
    if not privileged:
        features = world.features.restricted(_shown(world, validation)).for_view
        return FitContext(stack, seed, stack.noting(features), users=fitted, validation=validation)
    return FitContext(
        stack, seed, stack.noting(world.features.for_view), users=fitted,
        held_out=world.test, validation=validation, taste=world.dataset.taste,
        targets={} if asked is None else asked.targets,
    )  # fmt: skip


def users_of(world: World, asked: Asked) -> tuple[str, ...]:
    """Who is asked for and in the training view, in order."""
    return tuple(user for user in asked.users if user in world.train.liked_items)


def context_of(config: RunConfig, world: World, facts: MethodFacts) -> FitContext:
    """That of a run's method."""
    return fit_context(
        world, config.seed, privileged=facts.privileged, asked=world.asked(config),
        validated=facts.reads_validation,
    )  # fmt: skip


def _shown(world: World, validation: View | None) -> Catalog:
    """The items of the training view and of the validation rows."""
    if validation is None:
        return world.train.catalog
    return world.dataset.catalog.subset({*world.train.catalog.ids, *validation.catalog.ids})


def views_of(facts: MethodFacts, world: World, context: FitContext) -> dict[str, View]:
    """What the method may see while it fits, by name."""
    views = {"train": world.train, "validation": context.validation, "held_out": context.held_out}
    if newcomers.adapts(facts, world):
        views["before"] = newcomers.without_newcomers(world).train
        views["support"] = newcomers.support_of(world)
    return {name: view for name, view in views.items() if view is not None}
