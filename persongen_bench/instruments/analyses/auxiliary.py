"""Generated pictures in place of the originals when a ranker is trained: RAGAR's RQ4 (paper 002).

The pictures of a run's references are replaced by the generated ones (the mean feature, where an
item has several), a ranker is trained anew, and it is asked for the held-out likes: *ORI* keeps the
originals, *shuffled* gives every reference the original of another one. The paper reads a gain
over ORI as a proof of quality. Two things it does not show: a ranker that does as well with
*shuffled* pictures does not look at them; and a picture made for a user carries the user's taste
to the item, so that where the references are the held-out likes themselves (films, stickers) recall
may rise because of whom the picture was made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from persongen_bench.core.errors import ConfigError, DataError
from persongen_bench.core.metric import ScoreContext
from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.core.types import Embeddings
from persongen_bench.instruments.analyses.outcome import Outcome, fitted, outcome
from persongen_bench.metrics._space import ROLE
from persongen_bench.rankers.measures import measured
from persongen_bench.rankers.ranker import Ranker, RankingData

ORIGINAL, SHUFFLED = "ORI", "shuffled"


@dataclass(frozen=True)
class AuxiliaryPlan:
    """How the analysis is made."""

    top: int = 10
    """Length of the lists."""
    ranker: Literal["vbpr", "micro"] = "micro"
    n_seeds: int = 3
    """Rankers trained for each set of pictures."""


def auxiliary(
    runs: Mapping[str, ScoreContext], plan: AuxiliaryPlan, progress: Progress = no_progress
) -> Outcome:
    """Recall and NDCG with each run's pictures, with the originals and with shuffled ones.

    ``runs``: label => run; all of one data set, divided alike. Only references for which every
    run has a picture are replaced.

    Raises:
        ConfigError: if the runs are of different data.
        DataError: if no reference has a picture in every run.
    """
    contexts = list(runs.values())
    first = contexts[0]
    if any(context.train.hash != first.train.hash for context in contexts):
        raise ConfigError("the runs are of different data", fix="Choose runs of one board.")
    made = {label: generated_features(context) for label, context in runs.items()}
    shared = sorted(set.intersection(*(set(own) for own in made.values())))
    if len(shared) < 2:
        raise DataError("fewer than two references have a picture in every run")
    data = _data(first, shared)
    rows = np.array([data.item_row[item] for item in shared])
    pictures = {ORIGINAL: data.visual[rows], SHUFFLED: shuffled(data.visual[rows])}
    pictures |= {label: np.array([own[item] for item in shared]) for label, own in made.items()}
    relevant, users = _likes(first, data), [data.user_row[u] for u in _users(first, data)]
    jobs = [(arm, seed) for arm in pictures for seed in range(plan.n_seeds)]
    found: dict[str, list[dict[str, np.ndarray]]] = {arm: [] for arm in pictures}
    for arm, seed in progress(jobs, "train rankers on pictures", len(jobs)):
        ranker = fitted(plan.ranker, _with_pictures(data, rows, pictures[arm]), seed)
        found[arm].append(_values(ranker, relevant, users, plan.top))
    values = {
        arm: {name: np.stack([one[name] for one in seeds], axis=1) for name in seeds[0]}
        for arm, seeds in found.items()
    }
    pairs = [(arm, ORIGINAL) for arm in pictures if arm != ORIGINAL]
    n_items = f"{len(shared)} of {len(data.items)} items have another picture"
    notes = (f"Ranker {plan.ranker}, {plan.n_seeds} seeds; {n_items}.",)
    return outcome("Pictures in place of the originals", notes, values, pairs)


def labelled(runs: Sequence[tuple[str, int, ScoreContext]]) -> dict[str, ScoreContext]:
    """Runs by the labels of their methods; with the seed where two have the same."""
    labels = [label for label, _, _ in runs]
    return {
        label if labels.count(label) == 1 else f"{label}, seed {seed}": context
        for label, seed, context in runs
    }


def generated_features(context: ScoreContext) -> dict[str, Float[np.ndarray, " d"]]:
    """Reference => mean feature of all pictures that were made after it, whoever they are for."""
    by_item: dict[str, list[int]] = {}
    for row, sample in enumerate(context.samples["sample_id"].astype(str)):
        if sample in context.references:
            by_item.setdefault(context.references[sample], []).append(row)
    if not by_item:
        raise DataError("the run follows no references", fix="Use a run of the track `reference`.")
    features = context.features(ROLE)
    return {item: np.asarray(features[own].mean(axis=0)) for item, own in by_item.items()}


def shuffled(rows: Embeddings) -> Embeddings:
    """Every row given to another item: the rows in a random circle."""
    order = np.random.default_rng(0).permutation(len(rows))
    moved = np.empty_like(rows)
    moved[order] = rows[np.roll(order, 1)]
    return moved


def _data(context: ScoreContext, references: list[str]) -> RankingData:
    ids = sorted({*context.train.catalog.ids, *context.test.catalog.ids, *references})
    return RankingData.of(context.train, context.item_features(ROLE, ids), items=ids)


def _with_pictures(data: RankingData, rows: np.ndarray, pictures: Embeddings) -> RankingData:
    visual = np.array(data.visual)
    visual[rows] = pictures
    return replace(data, visual=visual)


def _users(context: ScoreContext, data: RankingData) -> list[str]:
    return [user for user in context.users if user in data.user_row]


def _likes(context: ScoreContext, data: RankingData) -> np.ndarray:
    table = np.zeros(data.rated.shape, dtype=bool)
    for user in _users(context, data):
        likes = context.test.liked_items.get(user, ())
        table[data.user_row[user], [data.item_row[item] for item in likes]] = True
    return table


def _values(
    ranker: Ranker, relevant: np.ndarray, users: list[int], top: int
) -> dict[str, np.ndarray]:
    found = measured(ranker, relevant, top)
    return {f"{name}@{top}": found[name][users] for name in ("recall", "ndcg")}
