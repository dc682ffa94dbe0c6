"""Runs a campaign: what cannot be run is named, the rest is made, and the ledger tells of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from persongen_bench.api import crew
from persongen_bench.api.attempts import Attempt, Task
from persongen_bench.api.campaign import Campaign, choices_of
from persongen_bench.api.crew import Crew
from persongen_bench.api.ledger import Ledger, Line, State
from persongen_bench.core.errors import ConfigError, PgbenchError
from persongen_bench.core.seams import others_code
from persongen_bench.loop.choice import MethodChoice, check_chosen
from persongen_bench.loop.generate import Execution
from persongen_bench.loop.needs import check_needs
from persongen_bench.loop.results import RunResults
from persongen_bench.loop.terms import Terms
from persongen_bench.loop.world import World, load_world


def execute(
    campaign: Campaign,
    execution: Execution,
    n_jobs: int | None = 1,
    ledger: Ledger | None = None,
) -> Iterator[RunResults]:
    """Make every run of the campaign, the user's methods first; yields in that order.

    ``n_jobs`` runs are made at a time, by this process and others that help it; None: as many as
    there are cores for, from the moment that a run takes long. A fit that two runs share is made
    once. A method that cannot be run here, or fails on the way, stops nothing else, unless nothing
    of the user's own is left; ``ledger`` tells of each run what came of it.

    Raises:
        ConfigError: before anything is fitted, where a metric needs what the stack or the track
            does not have, or none of the methods asked for can be run or may be, because a search
            chose by what is tested here.
        NotDoneError: at the end, where something of the user's own was not done.
    """
    ledger = ledger or Ledger()
    asked = choices_of(campaign)
    with others_code(f"data set {campaign.dataset} does not open"):
        world = load_world(campaign.world_ref(), execution.progress)
    terms = campaign.terms(world)
    check_needs(world.stack, terms, (), world.dataset)
    only = sum(own for _, _, own in asked) * len(campaign.seeds) == 1
    ledger.alone = only
    tasks, refused = [], list[Line]()
    alone = n_jobs in (1, None) and execution.here
    for choice, anchor, own in asked:
        why = refusal(choice, world, terms, alone=alone)
        if why is None:
            tasks += [Task(campaign, choice, anchor, seed, own) for seed in campaign.seeds]
            continue
        refused += [Line(choice.label, seed, "refused", str(why), own) for seed in campaign.seeds]
        if own and only:
            raise why  # the error alone says it
    for line in refused:
        ledger.enter(line)
    if ledger.fruitless and not any(task.own for task in tasks):
        refuse_all([choice for choice, _, own in asked if own], world, terms, alone=alone)
    made = crew.made(tasks, world, execution, Crew.of(n_jobs, execution, tasks))
    for one in settled(made, tasks, ledger):
        yield one.results()
    ledger.require()


def settled(made: Iterator[Attempt], tasks: Sequence[Task], ledger: Ledger) -> Iterator[Attempt]:
    """The attempts that made a run; ends early where nothing of the user's own came of them."""
    last_own = max((k for k, task in enumerate(tasks) if task.own), default=-1)
    for place, one in enumerate(made):
        task = one.task
        state: State = "failed" if one.path is None else "done"
        ledger.enter(Line(task.label, task.seed, state, one.reason, task.own))
        if one.path is not None:
            yield one
        if place == last_own and ledger.fruitless:
            for rest in tasks[place + 1 :]:
                ledger.enter(Line(rest.label, rest.seed, "not begun", "", rest.own))
            if one.error is not None and len([line for line in ledger.lines if line.own]) == 1:
                raise one.error
            return


def refusal(
    choice: MethodChoice, world: World, terms: Terms, *, alone: bool
) -> PgbenchError | None:
    """Why a method cannot be run here; None where it can."""
    try:
        with others_code(f"method {choice.label}"):
            require_runnable([choice], world, terms, alone=alone)
    except PgbenchError as error:
        return error
    return None


def refuse_all(choices: Sequence[MethodChoice], world: World, terms: Terms, *, alone: bool) -> None:
    """One error that names every method, where they lack the same kind of thing."""
    with others_code("none of the methods can be run"):
        require_runnable(choices, world, terms, alone=alone)


def require_runnable(
    choices: Sequence[MethodChoice], world: World, terms: Terms, *, alone: bool
) -> None:
    """Raise `ConfigError` for a method that cannot be run here, or may not.

    ``alone``: whether all is made in this process.
    """
    check_chosen(choices, world.dataset.revision, world.split.hash)
    check_needs(world.stack, terms, choices, world.dataset)
    _check_processes(choices, alone=alone)


def _check_processes(choices: Sequence[MethodChoice], *, alone: bool) -> None:
    """A class that only this process knows cannot be made in another one."""
    local = [choice.label for choice in choices if choice.local]
    if local and not alone:
        raise ConfigError(
            f"method {local[0]} is defined in this process only",
            fix="Use one worker and one job, or put it into a package (`pgbench new method`).",
        )
