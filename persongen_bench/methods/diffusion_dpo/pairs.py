"""Who beats whom: published preferences, or the best and the worst of each cluster of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.dataset import View
from persongen_bench.core.errors import DataError
from persongen_bench.core.method import FitContext
from persongen_bench.core.types import content_hash
from persongen_bench.methods.diffusion_dpo.config import DiffusionDpoConfig
from persongen_bench.methods.diffusion_dpo.grouping import cluster_words, scores_of, words_of
from persongen_bench.util.topics import about

T = TypeVar("T")


class Pair(NamedTuple):
    """Two pictures of the training catalogue and the words both are shown with."""

    prompt: str
    winner: str
    loser: str


@dataclass(frozen=True)
class PairSet:
    """Pairs to train on, pairs to look at, and how many were lost on the way."""

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    """Of other words: no prompt stands on both sides."""
    counts: dict[str, int | str]


def collect(train: View, config: DiffusionDpoConfig, context: FitContext) -> PairSet:
    """The pairs that the configuration asks for.

    Raises `DataError` where none is left, with what was lost at which step.
    """
    published = train.pairs is not None and len(train.pairs) > 0
    if config.pairs == "published" or (config.pairs == "auto" and published):
        pairs, counts = _published(train, config)
    else:
        pairs, counts = _clustered(train, config, context)
    if config.topic is not None:
        pairs = [pair for pair in pairs if about(config.topic, pair.prompt)]
        counts["on the topic"] = len(pairs)
    pairs = sorted(set(pairs))
    counts["distinct"] = len(pairs)
    if config.n_pairs is not None:
        pairs = sorted(_shuffled(pairs, context.seed)[: config.n_pairs])
    held_out = _held_out(pairs, config.validation_share, context.seed)
    kept = tuple(pair for pair in pairs if pair.prompt not in held_out)
    looked = tuple(pair for pair in pairs if pair.prompt in held_out)
    counts |= {"trained": len(kept), "validation": len(looked)}
    if not kept:
        raise DataError(
            f"no preference pair to train on ({', '.join(f'{k} {v}' for k, v in counts.items())})",
            fix="Lower min_cluster_size, or leave out topic, user or score.",
        )
    return PairSet(kept, looked, counts)


def min_max(
    groups: Int[np.ndarray, " n"], scores: Float[np.ndarray, " n"], *, repeated: bool
) -> list[tuple[int, int]]:
    """Rows of the best and the worst of every group, -1 being none; ties are no pairs.

    ``repeated``: then of the second best and the second worst, and so on to the middle. Equal
    scores are taken in the order of the rows; rows without a score (NaN) are left out.
    """
    chosen: list[tuple[int, int]] = []
    for group in range(int(groups.max(initial=-1)) + 1):
        rows = np.flatnonzero((groups == group) & ~np.isnan(scores))
        order = rows[np.argsort(-scores[rows], kind="stable")].tolist()
        n = len(order) // 2 if repeated else min(1, len(order) // 2)
        pairs = zip(order[:n], reversed(order[len(order) - n :]), strict=True)
        chosen += [(best, worst) for best, worst in pairs if scores[best] > scores[worst]]
    return chosen


def _published(train: View, config: DiffusionDpoConfig) -> tuple[list[Pair], dict[str, int | str]]:
    """The data set's preferences, ties left out (as the authors' trainer does)."""
    if train.pairs is None:
        raise DataError("this data set has no preferences", fix="Use pairs=clusters.")
    rows = train.pairs
    counts: dict[str, int | str] = {"source": "published", "published": len(rows)}
    if config.user is not None:
        rows = rows[rows["user_id"] == config.user]
        counts["of the user"] = len(rows)
    rows = rows[~rows["tie"].astype(bool)]
    counts["without ties"] = len(rows)
    columns = (rows[name].astype(str) for name in ("prompt", "winner", "loser"))
    return [Pair(*row) for row in zip(*columns, strict=True)], counts


def _clustered(
    train: View, config: DiffusionDpoConfig, context: FitContext
) -> tuple[list[Pair], dict[str, int | str]]:
    """Min-max pairs; both pictures are shown with the words of the winner."""
    texts, ids = words_of(train), train.catalog.ids
    groups = cluster_words(texts, context, config.min_cluster_size)
    scores = scores_of(train, texts, config, context)
    chosen = min_max(groups, scores, repeated=config.per_cluster == "repeated")
    counts: dict[str, int | str] = {
        "source": f"clusters by {config.score}",
        "pictures": len(ids),
        "scored": int((~np.isnan(scores)).sum()),
        "clusters": int(groups.max(initial=-1)) + 1,
        "pictures in none": int((groups < 0).sum()),
        "pairs": len(chosen),
    }
    return [Pair(texts[best], ids[best], ids[worst]) for best, worst in chosen], counts


def _held_out(pairs: Sequence[Pair], share: float, seed: int) -> frozenset[str]:
    prompts = _shuffled({pair.prompt for pair in pairs}, seed)
    return frozenset(prompts[: round(share * len(prompts))])


def _shuffled(values: Iterable[T], seed: int) -> list[T]:
    """By a hash of each, so that one more value moves no other."""
    return sorted(values, key=lambda value: content_hash("diffusion-dpo", seed, value))
