"""The cold-start track: how good are methods for a new user of whom k ratings are known?

For every k the tested people keep their first k ratings in the training part (`datasets.supports`);
the rest of the loop is as always. Methods that can adapt are fitted once without these people and
then adapted (`newcomers`); every other method is fitted on the others' ratings and the k of the
new. Who cannot serve a user with nothing known fails there, and that counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Unpack

from persongen_bench.api.attempts import Attempt, Task, attempt, make
from persongen_bench.api.campaign import Campaign, choices_of
from persongen_bench.api.cold_results import TRACK, ColdRun, ColdStart, board_of
from persongen_bench.api.executing import refusal, refuse_all, settled
from persongen_bench.api.ledger import Ledger, Line
from persongen_bench.api.local import as_choice
from persongen_bench.api.settings import Settings, campaign_of, execution_of
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.method import Method
from persongen_bench.core.metric_cards import expand
from persongen_bench.core.seams import others_code
from persongen_bench.datasets.supports import MARK, SUPPORTS
from persongen_bench.leaderboards.board import Board
from persongen_bench.loop.choice import MethodChoice
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.run import Job
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.wall.known import facts_of
from persongen_bench.loop.world import World, load_world
from persongen_bench.util.said import whole


def cold_start(
    methods: Sequence[str | Method | type[Method] | MethodChoice],
    dataset: str = "tasteworld",
    *,
    known: Sequence[int] = SUPPORTS,
    **settings: Unpack[Settings],
) -> ColdStart:
    """How good methods are for new users of whom k ratings are known, for each k of ``known``.

    Args:
        methods: as `run_many` takes them.
        dataset: a registered name; one without splits for cold start of its own gets them, see
            `datasets.supports.with_new_people`.
        known: numbers of ratings that a method may know of every tested user.
        settings: see `Settings`; ``split`` names the split that is cut.

    Raises:
        ConfigError: if the data cannot be divided so, or a metric or every method lacks a model.
        NotDoneError: after all others, if one of the methods could not be run or failed.
    """
    made = attempted(methods, dataset, known=known, **settings)
    made.ledger.require()
    return made


def attempted(
    methods: Sequence[str | Method | type[Method] | MethodChoice],
    dataset: str,
    ledger: Ledger | None = None,
    *,
    known: Sequence[int] = SUPPORTS,
    **settings: Unpack[Settings],
) -> ColdStart:
    """`cold_start`, but what was not done is in ``ledger`` only."""
    ledger = ledger or Ledger()
    campaign = campaign_of(tuple(as_choice(method) for method in methods), dataset, settings)
    for name, own in (("board", board_of(dataset).name), ("track", TRACK)):
        if settings.get(name, own) not in (None, own):
            raise ConfigError(
                f"cold start has the {name} {own}, not {settings.get(name)}", fix="Leave it out."
            )
    with execution_of(settings) as execution:
        made = tuple(execute(campaign, execution, known, ledger))
    return ColdStart(made, campaign.metrics, tuple(sorted(set(known))), ledger)


def execute(
    campaign: Campaign,
    execution: Execution,
    sizes: Sequence[int] = SUPPORTS,
    ledger: Ledger | None = None,
) -> Iterator[ColdRun]:
    """Make every run of the track, support by support; runs that are done are not made again.

    ``campaign.split`` names the split that is cut; None: the board's, else the data set's first
    that can be. A method that cannot be run, or fails, stops nothing else: ``ledger`` tells of it.

    Raises:
        ConfigError: if the data set has no split that can be cut, or not to one of ``sizes``, or if
            the stack lacks what a metric or every method needs.
    """
    ledger, board = ledger or Ledger(), board_of(campaign.dataset)
    for k in sizes:
        whole("known", k, 0)
    campaign = replace(campaign, board_name=board.name, track=None)
    world = load_world(replace(campaign.world_ref(), split=None), execution.progress)
    split = campaign.split or (board.split if board.split in world.dataset.cuts else None)
    worlds = {k: _cut(world, split, k) for k in sorted(set(sizes))}
    terms = _terms(campaign, board, world)
    check_needs(world.stack, terms, (), world.dataset)
    asked, todo, alone = tuple(_asked(campaign)), list[Task](), execution.here
    for task in asked:
        why = _refusal(task.choice, worlds, terms, alone=alone)
        todo += [task] if why is None else []
        if why is not None:
            ledger.enter(Line(task.label, task.seed, "refused", why, task.own))
    if ledger.fruitless and not any(task.own for task in todo):
        own = [task.choice for task in asked if task.own]
        for cut in worlds.values():
            refuse_all(own, cut, terms, alone=alone)
    sizes_of = {f"k={k}": k for k in worlds}
    tasks = [replace(task, part=part) for part in sizes_of for task in todo]
    made = (_tried(task, worlds[sizes_of[task.part]], terms, execution) for task in tasks)
    for one in settled(made, tasks, ledger):
        yield ColdRun(sizes_of[one.task.part], one.results())


def _asked(campaign: Campaign) -> Iterator[Task]:
    """What is run at every support."""
    for choice, anchor, own in choices_of(campaign):
        heads = [choice]
        with suppress(PgbenchError), others_code(f"method {choice.label}"):
            heads = _heads(choice)  # what cannot be opened is refused by name
        for head in heads:
            for seed in campaign.seeds:
                yield Task(campaign, head, anchor, seed, own)


def _refusal(
    choice: MethodChoice, worlds: Mapping[int, World], terms: Terms, *, alone: bool
) -> str | None:
    """Why a method cannot be run at one of the supports."""
    refused = (refusal(choice, cut, terms, alone=alone) for cut in worlds.values())
    return next((str(why) for why in refused if why is not None), None)


def _tried(task: Task, world: World, terms: Terms, execution: Execution) -> Attempt:
    job = Job(world, terms, task.choice, task.seed, task.anchor, task.campaign.threads)
    return attempt(task, partial(make, job, task.campaign.runs, execution))


def _cut(world: World, name: str | None, k: int) -> World:
    """The world with the split ``name``, cut to ``k`` ratings of every tested user."""
    cuts = world.dataset.cuts
    if name is not None and name.split(MARK)[0] not in cuts:
        raise ConfigError(
            f"data set {world.dataset.name} has no split {name!r} that can be cut",
            fix=f"Splits that are cut: {', '.join(cuts)} (or leave --split out).",
        )
    chosen = world.dataset.cut_of(name or next(iter(cuts)), k)
    split = world.dataset.split(chosen, world.ref.split_seed)
    if split.test.empty:
        raise ConfigError(
            f"data set {world.dataset.name} cannot be divided for cold start: nobody of the new "
            f"people rated one of the held-out items (split {chosen}, seed {split.seed})",
            fix="It takes more users and ratings, or another --split-seed.",
        )
    return replace(world, ref=replace(world.ref, split=chosen), split=split)


def _heads(choice: MethodChoice) -> list[MethodChoice]:
    """The choice, or one for each way in which the method takes in newcomers, if none is said."""
    heads = facts_of(choice).heads
    if not heads or any(set(head) & set(choice.options) for head in heads):
        return [choice]
    return [replace(choice, options={**choice.options, **head}) for head in heads]


def _terms(campaign: Campaign, board: Board, world: World) -> Terms:
    """The board's headline and taste, and what was asked for: every support is a run of its own."""
    terms, known = campaign.terms(world), world.dataset.taste is not None
    asked = expand(campaign.metrics, world.stack, known_taste=known)
    wanted = {board.headline, board.taste, *asked}
    kept = tuple(name for name in terms.metrics if name in wanted)
    return replace(terms, track=TRACK, metrics=kept)
