"""Answers made elsewhere become a run that is scored like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from persongen_bench.core.output import OutputKind, kind_of
from persongen_bench.core.progress import Progress
from persongen_bench.core.request import Request
from persongen_bench.core.track import open_track
from persongen_bench.core.types import content_hash
from persongen_bench.loop.deviations import MODES
from persongen_bench.loop.drawing import Draws
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.manifest import Answer, check_number, most_answers
from persongen_bench.loop.run import run_name
from persongen_bench.loop.schema import MethodRef, RunConfig
from persongen_bench.loop.store import RunDirectory
from persongen_bench.loop.terms import Terms, run_config
from persongen_bench.loop.world import World

EXTERNAL = "external"
"""Stands for the method's code, which is not ours to hash."""

Read: TypeAlias = Callable[[Sequence[Request], OutputKind], list[Answer]]
"""What somebody sends us, checked against what was asked."""


@dataclass(frozen=True)
class Delivery:
    """What somebody sends us, and what to call the method that made it."""

    read: Read
    label: str
    seed: int = 0
    most: int | None = None
    """Answers to a request, at most; None: who delivers more is asked for more."""


def ingest(
    delivery: Delivery, world: World, terms: Terms, runs: Path, progress: Progress
) -> RunDirectory:
    """Check every answer, then enter them as a run below ``runs``.

    Nothing is written unless all are good. Those that count as none are entered as errors of the
    method; requests without an answer get the state ``missing`` when the run is scored.
    """
    kind = kind_of(open_track(terms.track).output)
    requests = world.requests(terms.track, terms.n_images, terms.n_history)
    answers = delivery.read(requests, kind)
    check_number(answers, requests, delivery.most)
    terms = replace(terms, n_images=max(terms.n_images, most_answers(answers)))
    config = _config(delivery, answers, world, terms)
    asked = world.asked(config)
    with RunDirectory.entered(runs / run_name(config), config, asked.samples) as run:
        run.note(MODES, dict(Counter(answer.mode for answer in answers)))
        samples = {(s.request.request_id, s.index): s for s in asked.samples}
        draw = Draws(world.stack, kind)
        for answer in progress(answers, f"import {kind.name}s", len(answers)):
            sample = samples[answer.request_id, answer.index]
            if answer.fault:
                run.record([Outcome(sample.sample_id, "method_error", answer.fault)])
                continue
            value = answer.open()
            digests = run.write(sample.sample_id, value, draw(sample, value))
            run.record([Outcome(sample.sample_id, "ok", "", *digests)])
    return run


def _config(delivery: Delivery, answers: Sequence[Answer], world: World, terms: Terms) -> RunConfig:
    content = content_hash([(a.request_id, a.index, a.content) for a in answers])
    method = MethodRef(
        name=EXTERNAL,
        distribution=EXTERNAL,
        version="",
        label=delivery.label,
        config={"delivered": len(answers), "content": content},
        external=True,
    )
    return run_config(world, terms, method, seed=delivery.seed, code=EXTERNAL, threads=1)
