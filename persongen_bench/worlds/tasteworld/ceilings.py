"""What is possible in a population: how well ratings repeat, and how much taste can be met.

Everything is an exact mean over people and scenes, each scene as often as any other, of
probabilities that are known; nothing is sampled. The taste is that of the end, without drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.util.batching import blocks
from persongen_bench.worlds.tasteworld.attributes import N_SCENES
from persongen_bench.worlds.tasteworld.people import People
from persongen_bench.worlds.tasteworld.people_config import N_RATINGS
from persongen_bench.worlds.tasteworld.preferences import additive_part

_SCORES = np.arange(1, N_RATINGS + 1)
_PEOPLE = 256
"""People whose tables are worked out at a time; bounds memory."""


@dataclass(frozen=True)
class Repeat:
    """How far noise lets the same person, or a judge who knows the true taste, repeat a rating."""

    correlation: float
    """Test-retest correlation of the ratings, over all people and scenes."""
    correlation_within: float
    """The same within a person, averaged over people: leniency explains nothing here."""
    agreement: float
    """Probability that a person who rates a picture again says like or no like as before."""
    accuracy: float
    """Probability that the likelier of like and no like is what the person says."""
    auc: float
    """Probability that a liked picture has a higher true taste than one that is not liked, within
    a person, averaged over people: no predictor can have a higher expected AUC."""


@dataclass(frozen=True)
class Reach:
    """Mean like-probability of pictures that are chosen knowing the taste of ..."""

    nobody: float
    """... nobody: a random scene."""
    others: float
    """... another person, each by turns: the best scene of the next one."""
    everybody: float
    """... everybody: the scene of the highest mean over the population."""
    cluster: float
    """... the cluster of the person: the scene of the highest mean over its people."""
    additive: float
    """... single attributes only: the best scene where pairs of attributes are ignored."""
    person: float
    """... the person: their best scene."""
    worst_person: float
    """The lowest of the latter over the people."""


def repeat(people: People, among: Int[np.ndarray, " n"]) -> Repeat:
    """Ceilings of the ratings of the people ``among`` (their numbers)."""
    means, variances = _moments(people, among)
    between = means.var(axis=1)
    p = people.like_probability[among]
    return Repeat(
        correlation=float(means.var() / (means.var() + variances.mean())),
        correlation_within=float((between / (between + variances.mean(axis=1))).mean()),
        agreement=float((p**2 + (1 - p) ** 2).mean()),
        accuracy=float(np.maximum(p, 1 - p).mean()),
        auc=float(np.mean([_auc(row) for row in p])),
    )


def reach(people: People, among: Int[np.ndarray, " n"]) -> Reach:
    """Taste that can be met for the people ``among``; the population is everybody."""
    p = people.like_probability
    rows = np.arange(len(among))
    own = p[among]
    best = own.argmax(axis=1)
    clusters = {k: int(p[people.cluster == k].mean(axis=0).argmax()) for k in set(people.cluster)}
    of_cluster = np.array([clusters[k] for k in people.cluster[among]])
    parts = [additive_part(people.final_of(among[part])) for part in blocks(len(among), _PEOPLE)]
    additive = np.concatenate([part.argmax(axis=1) for part in parts])
    return Reach(
        nobody=float(own.mean()),
        others=float(own[rows, np.roll(best, 1)].mean()),
        everybody=float(own[:, p.mean(axis=0).argmax()].mean()),
        cluster=float(own[rows, of_cluster].mean()),
        additive=float(own[rows, additive].mean()),
        person=float(own.max(axis=1).mean()),
        worst_person=float(own.max(axis=1).min()),
    )


def _moments(
    people: People, among: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n scenes"], Float[np.ndarray, "n scenes"]]:
    """Mean and variance of the rating of every scene by every person."""
    means, squares = np.empty((2, len(among), N_SCENES))
    for row, number in enumerate(among):
        odds = people.rating_probability(int(number))
        means[row], squares[row] = odds @ _SCORES, odds @ _SCORES**2
    squares -= means**2
    return means, squares


def _auc(p: Float[np.ndarray, " scenes"]) -> float:
    """Expected AUC of ``p`` as a predictor of independent likes of probability ``p``.

    Pairs of liked and not liked scenes, of which the liked one stands higher, over all such pairs;
    equal probabilities count half.
    """
    place = np.unique(p, return_inverse=True)[1]
    likes = np.bincount(place, p)
    others = np.bincount(place, 1 - p)
    below = np.cumsum(others) - others
    return float((likes * (below + others / 2)).sum() / (likes.sum() * others.sum()))
