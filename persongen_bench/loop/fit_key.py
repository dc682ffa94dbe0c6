"""The key of a fit, which names all that changes it, and its place in the cache."""

from __future__ import annotations

from pathlib import Path

from persongen_bench.core.track import open_track
from persongen_bench.core.types import content_hash
from persongen_bench.loop import making
from persongen_bench.loop.method_facts import MethodFacts
from persongen_bench.loop.schema import RunConfig
from persongen_bench.loop.wall.known import facts_of_run
from persongen_bench.loop.world import World
from persongen_bench.stacks.with_lora import StackWithLora
from persongen_bench.util import provenance
from persongen_bench.util.files import cache_root


def fit_place(config: RunConfig, world: World) -> Path:
    """The folder of a fit, whether or not it is there."""
    return cache_root() / "fits" / fit_key(config, world)


def code_of(facts: MethodFacts, world: World, track: str) -> str:
    """Hash of the code that touches a fit or an answer.

    That is what the method, the stack, the track and `making` import, and nothing else.
    """
    stack = world.stack
    around = (stack, stack.inner) if isinstance(stack, StackWithLora) else (stack,)
    own = provenance.Coded(frozenset(facts.modules), frozenset(facts.unfiled))
    return (own | provenance.coded(*around, open_track(track), making)).hash


def fit_key(config: RunConfig, world: World) -> str:
    """Content key of a fit: training data, method, configuration, stack, seed, code, threads.

    And the validation rows, for a method that reads them.
    """
    facts, asked = facts_of_run(config), world.asked(config)
    values = {k: v for k, v in config.method.config.items() if k not in facts.generate_fields}
    held_out: list[object] | None = None
    if facts.privileged:
        held_out = [world.dataset.revision, world.test.hash, *sorted(asked.targets.items())]
    read = world.validation if facts.reads_validation else None
    more = () if read is None else ("validation", read.hash)
    return content_hash(
        world.train.hash, held_out, asked.users, config.method.name, values,
        config.stack.signature, config.seed, config.code, config.threads, *more,
    )  # fmt: skip
