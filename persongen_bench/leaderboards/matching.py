"""Which runs may stand in one table; for every other one, the reason why not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persongen_bench.core.types import content_hash
from persongen_bench.leaderboards.board import Board
from persongen_bench.leaderboards.standings import Refusal
from persongen_bench.loop.reasons import Reason, reason
from persongen_bench.loop.results import RunResults

_ELSEWHERE = " (it stands in another table)"
_AGREES = 1e-9
"""Relative difference up to which a summary's mean agrees with the per-unit scores."""


@dataclass(frozen=True)
class Group:
    """Runs of one table, with what they share and what was refused."""

    protocol: Mapping[str, str | int]
    signatures: dict[str, str]
    runs: list[RunResults]
    refused: list[Refusal] = field(default_factory=list)


def refuse(run: RunResults, why: Reason) -> Refusal:
    """The refusal of a readable run."""
    label, seed = run.config.method.label, run.config.seed
    return Refusal(run=run.path.name, label=label, seed=seed, reason=why.text, kind=why.kind)


def protocol(run: RunResults) -> dict[str, str | int]:
    """What must be equal within a table, besides the metric signatures, by printed name."""
    config = run.config
    return {
        "track": config.track,
        "dataset": config.dataset.name,
        "dataset revision": config.dataset.revision,
        "split": f"{config.dataset.split} (seed {config.dataset.split_seed})",
        "split hash": config.dataset.split_hash,
        "stack": config.stack.name,
        "stack signature": config.stack.signature,
        "unit": config.unit,
        "output": config.output,
        "n_images": config.n_images,
        "n_history": config.n_history,
        "units": content_hash(sorted(run.units)),
        "requests": _requests(run),
    }


def _requests(run: RunResults) -> str:
    """What was asked where that is more than one thing of each unit, else that it is not."""
    asked = sorted(run.requests)
    if len(asked) <= len(run.units):
        return "one of each"
    return f"{len(asked)} ({content_hash(asked)})"


def signatures(run: RunResults, board: Board) -> dict[str, str]:
    """Signature of every metric of the board that the run has."""
    measured = run.summary.metrics
    return {metric: measured[metric].signature for metric in board.metrics if metric in measured}


def damage(run: RunResults, board: Board) -> Reason | None:
    """Why a run cannot stand on the board at all, None where it can."""
    config, summary = run.config, run.summary
    if config.track != board.track or not board.accepts(config.dataset.name):
        given = f"{config.dataset.name} on track {config.track}"
        taken = f"{' or '.join(board.datasets)} on track {board.track}"
        return reason(f"the board takes {taken}, not {{}}", given)
    if summary.run_id != config.run_id:
        ids = summary.run_id, config.run_id
        return reason("its summary belongs to run {}, run.json says {}", *ids)
    if pending := summary.states.get("pending"):
        return reason("{} images are still pending; `pgbench resume` it", pending)
    if exempt := summary.states.get("unscored"):
        return reason("{} images are exempt as `unscored`; `pgbench score` it", exempt)
    if board.headline not in summary.metrics:
        return reason(f"it has no {board.headline}, which ranks this board; `pgbench score` it")
    headline = summary.metrics[board.headline]
    if headline.mean is None:
        said = "; ".join(headline.caveats)
        undefined = f"its {board.headline} is undefined for every unit"
        return reason(f"{undefined} ({{}})", said) if said else reason(undefined)
    return _disagreement(run, board)


def _disagreement(run: RunResults, board: Board) -> Reason | None:
    for metric in signatures(run, board):
        said = run.summary.metrics[metric]
        rows = run.by_metric.get(metric)
        if rows is None or rows.signatures != {said.signature}:
            return reason("its scores of {} do not carry the signature of its summary", metric)
        values = rows.values
        mean = float(np.nanmean(values)) if not np.isnan(values).all() else None
        if not _close(mean, said.mean):
            return reason("its summary says {} = {}, its scores give {}", metric, said.mean, mean)
    return None


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _AGREES * max(1.0, abs(a))


def divide(runs: Sequence[RunResults], board: Board) -> list[Group]:
    """Divide comparable runs into tables, the one with most methods first.

    The most common protocol and set of metric signatures founds a table; every run that does not
    contradict it joins. What is left founds the next table, and is refused by this one.
    """
    rest = sorted(runs, key=_order)
    groups: list[Group] = []
    while rest:
        group = _largest_group(rest, board)
        joined = {id(run) for run in group.runs}
        rest = [run for run in rest if id(run) not in joined]
        groups.append(group)
    return [_with_refusals(group, runs, board) for group in groups]


def _order(run: RunResults) -> tuple[str, int, str, str]:
    return run.config.method.label, run.config.seed, run.config.run_id, str(run.path)


def _largest_group(runs: Sequence[RunResults], board: Board) -> Group:
    votes: dict[str, list[RunResults]] = defaultdict(list)
    for run in runs:
        votes[content_hash(protocol(run), signatures(run, board))].append(run)
    founder = max(votes.items(), key=lambda vote: _weight(vote, board))[1][0]
    group = Group(protocol(founder), signatures(founder, board), [])
    for run in runs:
        if contradiction(run, group, board) is None:
            group.runs.append(run)
            group.signatures.update(signatures(run, board))
    return group


def _weight(vote: tuple[str, list[RunResults]], board: Board) -> tuple[int, int, str]:
    key, runs = vote
    return len({r.config.method.label for r in runs}), len(signatures(runs[0], board)), key


def contradiction(run: RunResults, group: Group, board: Board) -> Reason | None:
    """The first thing in which a run differs from a table, None where it fits."""
    for name, value in protocol(run).items():
        if value != group.protocol[name]:
            there = group.protocol[name]
            return reason(f"{name} is {{}}, the table has {{}}{_ELSEWHERE}", value, there)
    for metric, signature in signatures(run, board).items():
        if group.signatures.get(metric, signature) != signature:
            there = group.signatures[metric]
            measured = "{} was measured as {}, the table has {}"
            return reason(f"{measured}{_ELSEWHERE}", metric, signature, there)
    return None


def _with_refusals(group: Group, runs: Iterable[RunResults], board: Board) -> Group:
    for run in sorted(runs, key=_order):
        why = contradiction(run, group, board)
        if why is not None:
            group.refused.append(refuse(run, why))
    return group


def lacks(metric: str, values: Mapping[str, np.ndarray], units: Sequence[str]) -> dict[str, Reason]:
    """Labels that lack the value of a unit that another has, and why they cannot be ranked.

    Nobody's printed mean is over other units than the rest, and nobody's units are taken away.
    """
    known = {label: ~np.isnan(own) for label, own in values.items()}
    everybody = np.logical_or.reduce([np.zeros(len(units), dtype=bool), *known.values()])
    reasons = {}
    for label, own in known.items():
        missing = np.flatnonzero(everybody & ~own)
        if len(missing):
            reasons[label] = reason(
                f"it has no {metric} for {{}} of {everybody.sum()} units that other methods have "
                "one for, such as {}; `pgbench score` it",
                len(missing), units[missing[0]],
            )  # fmt: skip
    return reasons


def one_per_seed(runs: Sequence[RunResults]) -> tuple[list[RunResults], list[Refusal]]:
    """Of runs with one label: those of one configuration, one for each seed.

    The configuration begun last stays (then the one with most seeds); averaging different ones
    would be a mix of methods.
    """
    identities: dict[str, list[RunResults]] = defaultdict(list)
    for run in sorted(runs, key=_order):
        identities[content_hash(_identity(run))].append(run)
    kept_key = max(identities, key=lambda key: (*_standing(identities[key]), key))
    kept: dict[int, RunResults] = {}
    refused = [
        refuse(run, reason("seed {} of this method is already in the table", run.config.seed))
        for run in identities[kept_key]
        if kept.setdefault(run.config.seed, run) is not run
    ]
    example = next(iter(kept.values()))
    for key, others in identities.items():
        if key != kept_key:
            refused += [refuse(run, _other_method(run, example)) for run in others]
    return [kept[seed] for seed in sorted(kept)], refused


def _standing(runs: Sequence[RunResults]) -> tuple[str, int]:
    return max(run.config.created for run in runs), len(_seeds(runs))


def _seeds(runs: Sequence[RunResults]) -> set[int]:
    return {run.config.seed for run in runs}


def _identity(run: RunResults) -> dict[str, Any]:
    method = run.config.method.model_dump(mode="json")
    config = {f"config.{name}": value for name, value in method.pop("config").items()}
    return {**config, **method, "code": run.config.code}


def _other_method(run: RunResults, kept: RunResults) -> Reason:
    here, there = _identity(run), _identity(kept)
    name = next(key for key in sorted({*here, *there}) if here.get(key) != there.get(key))
    return reason(
        "the same label stands for another method in the table: {} is {} here, {} there; rank "
        "them apart or remove one",
        name, repr(here.get(name)), repr(there.get(name)),
    )  # fmt: skip
