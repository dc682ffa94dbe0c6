"""Two answers of a run are made again, in a batch and a process of their own: are they the same?

An answer is a function of its sample alone. Of a method whose answers depend on the batch, on what
was asked before, on the clock or on its process, a run is a draw that nobody can make again. The
methods of this package are held to that by its tests, so this is for those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from persongen_bench.core.errors import RunError
from persongen_bench.core.request import Sample
from persongen_bench.core.types import content_hash
from persongen_bench.loop.asked import Asked
from persongen_bench.loop.deviations import REMADE
from persongen_bench.loop.making import Made
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.wall.tenancy import Home

N_AGAIN = 2
"""Answers that are made again."""
LEAST = 8
"""Of fewer answers made at once none is: that would cost a quarter of the run and more."""


def note_remade(
    run: RunDirectory,
    asked: Asked,
    made: Sequence[str],
    home: Callable[[], AbstractContextManager[Home]],
) -> None:
    """Make two of the answers again and note in the journal where they differ.

    Which two hangs on the run's identity, which no method is told. One that cannot be made again
    differs. A run that is resumed after it was stopped here is not asked a second time.

    Args:
        run: where the answers are.
        asked: what the run asks.
        made: ids of the samples that were made just now.
        home: opens a new home of the fitted method.
    """
    answered = run.samples()
    digests = dict(zip(answered["sample_id"], answered["digest"], strict=True))
    veiled = {name: run.veil.sample(name) for name in made}
    sound = [name for name in made if digests.get(veiled[name])]
    if len(sound) < LEAST:
        return
    later = sound[N_AGAIN:]  # the first stood where they would stand again
    chosen = asked.named(
        sorted(later, key=lambda one: content_hash(run.config.run_id, one))[:N_AGAIN]
    )
    with home() as fresh:
        again = _digests(run, asked, chosen, fresh)
    differ = sum(new != digests[veiled[s.sample_id]] for s, new in zip(chosen, again, strict=True))
    if differ:
        before = run.noted(REMADE) or [0, 0]
        run.note(REMADE, [before[0] + differ, before[1] + len(chosen)])


def _digests(run: RunDirectory, asked: Asked, samples: Sequence[Sample], home: Home) -> list[str]:
    """Of the answers that are made now; empty where none is."""
    try:
        made = home.make(asked, samples).made
    except (RunError, MemoryError):
        return [""] * len(samples)
    return [run.kind.digest(one.answer) if isinstance(one, Made) else "" for one in made]
