"""Worker journals become one: whatever the order of workers, lines and merges, the same.

A journal is data of whoever could write into the folder: only samples of this run count, and an
answer only where the file is the one that the journal tells of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from persongen_bench.core.errors import RunError
from persongen_bench.loop.engines.seam import Batch
from persongen_bench.loop.engines.worker_journal import Told, journals_of
from persongen_bench.loop.generate import take
from persongen_bench.loop.journal import Outcome
from persongen_bench.loop.store import RunDirectory
from persongen_bench.util.sealed import notice


def merged(journals: Told, samples: Collection[str]) -> Batch:
    """What all workers tell of ``samples``, as one batch in the order of the ids.

    Of what costs differ by, the least seconds and the highest peak are kept.

    Raises `RunError` where two workers made a sample differently.
    """
    best, told_by = dict[str, Outcome](), dict[str, str]()
    batches = list[Batch]()
    for name in sorted(journals):
        for batch in journals[name]:
            ours = [one for one in batch.outcomes if one.sample_id in samples]
            if ours:
                batches.append(batch)
            for one in ours:
                known = best.get(one.sample_id)
                if known is not None and _answer(known) != _answer(one):
                    raise _disagreement(one.sample_id, told_by[one.sample_id], name)
                if known is None or _seconds(one) < _seconds(known):
                    best[one.sample_id] = one
                told_by.setdefault(one.sample_id, name)
    opened = sum((batch.references for batch in batches), Counter[str]())
    said = {one.line(): one for batch in batches for one in batch.explained}
    walls = {batch.wall for batch in batches if batch.wall}
    return Batch(
        [best[name] for name in sorted(best)],
        dict(sorted(role for batch in batches for role in batch.roles.items())),
        Counter(dict(sorted(opened.items()))),
        [said[line] for line in sorted(said)],
        sorted({one for batch in batches for one in batch.refused}),
        max((batch.peak_mb for batch in batches), default=0.0),
        "; ".join(sorted(walls)),
    )


def _answer(one: Outcome) -> tuple[str, ...]:
    return one.state, one.reason, one.digest, one.pixel_hash


def _seconds(one: Outcome) -> float:
    return float("inf") if one.seconds is None else one.seconds


def _disagreement(sample_id: str, first: str, second: str) -> RunError:
    who = f"workers {first} and {second}" if first != second else f"worker {first}, twice,"
    return RunError(
        f"sample {sample_id}: {who} made it differently; the method, or a machine, is not exact",
        fix=f"Remove the .jsonl file of one of them (workers/{second}.jsonl), then resume.",
    )


def merge(run: RunDirectory, journals: Told | None = None) -> list[str]:
    """Enter into the journal of a run what its workers made; the samples that were entered.

    For who holds the lock. What the journal knows already stays as it is. ``journals``: of all
    workers, where they are read already.
    """
    if journals is None:
        journals = journals_of(run.path, run.config.run_id)
    if not any(journals.values()):
        return []
    table = run.samples()
    merged(journals, set(table["sample_id"]))  # that they agree
    batch = merged(journals, set(table["sample_id"][table["state"] == "pending"]))
    sound = [one for one in batch.outcomes if _lies_there(run, one)]
    if len(sound) < len(batch.outcomes):
        n_bad = len(batch.outcomes) - len(sound)
        notice(f"{run.path}: {n_bad} answers are not what its workers tell of; made again")
    if sound:
        requests = set(table["request_id"])
        said = [one for one in batch.explained if one.request_id in requests]
        take(run, replace(batch, outcomes=sound, explained=said))
    return [one.sample_id for one in sound]


def _lies_there(run: RunDirectory, one: Outcome) -> bool:
    if one.state != "ok":
        return True
    lies = run.intact(one.sample_id, one.digest)
    return lies is not None and lies.pixel_hash == one.pixel_hash
