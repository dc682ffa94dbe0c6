"""People who make images with LoRAs: the relations of ImageGem, simulated at any size.

Nobody is real. Everybody likes two topics, one first and the other later, a style and a colour,
and works in sessions: one LoRA and one prompt, again and again with small changes. LoRAs have a
popularity, a style, a rank and tags, some of which are wrong. Counts are exact: so many users,
images and LoRAs, and so many different pairs of user and LoRA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.worlds.imagegem_plan import LEAST, GemPlan

TOPICS = ("cars", "dogs", "scenery", "girls", "food", "robots", "castles", "birds")
STYLES = ("flat", "outline", "shaded", "pixel", "sketch")
BASE_MODELS = ("SD 1.5", "Pony", "SDXL 1.0", "Flux.1 D", "SD 2.1", "SD 3.5", "Illustrious")
BASE_SHARES = (0.41, 0.31, 0.12, 0.09, 0.02, 0.02, 0.03)
"""The first four as printed (paper 004, 3.3)."""
RANKS, RANK_SHARES = (4, 8, 16, 32, 64, 128), (0.10, 0.20, 0.30, 0.30, 0.07, 0.03)
"""A mean of 23.2; paper 004, C.1 prints 23.95."""
START, END = 1693526400.0, 1738281600.0
"""2023-09-01 to 2025-01-31 (paper 004, 2.1)."""


@dataclass(frozen=True)
class GemModels:
    """LoRAs by number; codes count from 0."""

    topic: Int[np.ndarray, " models"]
    style: Int[np.ndarray, " models"]
    base: Int[np.ndarray, " models"]
    rank: Int[np.ndarray, " models"]
    owner: Int[np.ndarray, " models"]
    popularity: Float[np.ndarray, " models"]
    tagged: Int[np.ndarray, "models 2"]
    """Topic and style as its tags say; a fifth of them are wrong."""


@dataclass(frozen=True)
class GemSessions:
    """One row per session: one user, one LoRA and one prompt; by user and time."""

    user: Int[np.ndarray, " sessions"]
    model: Int[np.ndarray, " sessions"]
    second: Int[np.ndarray, " sessions"]
    """Another LoRA of the user that was used too; -1: none."""
    size: Int[np.ndarray, " sessions"]
    """Images."""
    start: Float[np.ndarray, " sessions"]
    in_house: Bool[np.ndarray, " sessions"]


@dataclass(frozen=True)
class GemWorld:
    """What is drawn once; images follow from it session by session."""

    plan: GemPlan
    models: GemModels
    sessions: GemSessions
    favourites: Int[np.ndarray, "users 4"]
    """First topic, later topic, style and colour of each user."""


def make_world(plan: GemPlan) -> GemWorld:
    """Users, LoRAs and sessions; the same plan gives the same on every machine."""
    plan = plan.checked()
    rng = np.random.default_rng([plan.seed, 0x6E])
    favourites = np.stack(
        [rng.integers(0, n, plan.n_users) for n in (len(TOPICS), len(TOPICS), len(STYLES), 7)], 1
    )
    models = _models(plan, rng)
    n_images, n_pairs = _activity(plan, rng)
    user = np.repeat(np.arange(plan.n_users), n_pairs)
    chosen = _choices(plan, user, favourites, models, rng)
    sessions = _sessions((n_images, n_pairs), user, chosen, favourites, models, rng)
    return GemWorld(plan, models, _with_showcases(plan, sessions, models, rng), favourites)


def _models(plan: GemPlan, rng: np.random.Generator) -> GemModels:
    n = plan.n_models
    topic, style = rng.integers(0, len(TOPICS), n), rng.integers(0, len(STYLES), n)
    said = np.stack([topic, style], 1)
    wrong = rng.random((n, 2)) < 0.2
    said = np.where(wrong, (said + 1) % np.array([len(TOPICS), len(STYLES)]), said)
    owners = rng.permutation(plan.n_users)[: max(1, plan.n_users // 3)]
    activity = rng.pareto(1.2, len(owners)) + 1
    return GemModels(
        topic, style,
        rng.choice(len(BASE_MODELS), n, p=BASE_SHARES),
        rng.choice(np.array(RANKS), n, p=RANK_SHARES),
        rng.choice(owners, n, p=activity / activity.sum()),
        1 / (rng.permutation(n) + 10.0) ** 0.8,
        said,
    )  # fmt: skip


def _activity(
    plan: GemPlan, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " users"], Int[np.ndarray, " users"]]:
    """Images and LoRAs of every user: both long-tailed, at least 3, with the sums of the plan."""
    weight = rng.lognormal(0.0, 1.3, plan.n_users)
    most = np.full(plan.n_users, plan.n_models // 2 + LEAST)
    pairs = spread(plan.n_pairs, np.sqrt(weight), LEAST, most)
    images = pairs + spread(plan.n_images - plan.n_pairs, weight, 0, None)
    return images, pairs


def spread(
    total: int, weight: Float[np.ndarray, " n"], least: int, most: Int[np.ndarray, " n"] | None
) -> Int[np.ndarray, " n"]:
    """Whole numbers that add up to ``total``, in proportion to the weights within the bounds."""
    given = np.full(len(weight), least, dtype=np.int64)
    while (left := total - int(given.sum())) > 0:
        room = np.ones(len(weight), dtype=bool) if most is None else given < most
        share = np.where(room, weight, 0)
        exact = left * share / share.sum()
        more = np.floor(exact).astype(np.int64)
        rest = left - int(more.sum())
        more[np.argsort(more - exact, kind="stable")[:rest]] += 1
        given += more if most is None else np.minimum(more, most - given)
    return given


def _choices(
    plan: GemPlan, user: Int[np.ndarray, " pairs"], favourites: np.ndarray, models: GemModels,
    rng: np.random.Generator,
) -> Int[np.ndarray, " pairs"]:  # fmt: skip
    """The LoRA of every pair: each LoRA at least once, none twice for a user."""
    chosen = np.empty(len(user), dtype=np.int64)
    order = rng.permutation(len(user))
    must, free = order[: plan.n_models], order[plan.n_models :]
    chosen[must] = rng.permutation(plan.n_models)
    rounds = 0
    while len(free):
        chosen[free] = (
            _draw(favourites[user[free]], models, rng)
            if rounds < 8
            else rng.integers(0, plan.n_models, len(free))
        )
        fixed = np.concatenate([np.setdiff1d(order, free, assume_unique=True), free])
        _, first = np.unique(user[fixed] * plan.n_models + chosen[fixed], return_index=True)
        free = np.sort(np.setdiff1d(fixed, fixed[first], assume_unique=True))
        rounds += 1
    return chosen


def _draw(
    favourites: Int[np.ndarray, "n 4"], models: GemModels, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """LoRAs by popularity, seven of ten of a favourite topic."""
    chosen = _weighted(models.popularity, len(favourites), rng)
    later = rng.random(len(favourites)) < 0.5
    wanted = np.where(later, favourites[:, 1], favourites[:, 0])
    wanted[rng.random(len(favourites)) > 0.7] = -1
    for topic in range(len(TOPICS)):
        rows, fits = np.flatnonzero(wanted == topic), np.flatnonzero(models.topic == topic)
        if len(rows) and len(fits):
            chosen[rows] = fits[_weighted(models.popularity[fits], len(rows), rng)]
    return chosen


def _weighted(
    weight: Float[np.ndarray, " m"], n: int, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    edges = np.cumsum(weight)
    drawn = np.searchsorted(edges, rng.random(n) * edges[-1])
    return np.asarray(np.minimum(drawn, len(weight) - 1))


def _sessions(
    counts: tuple[np.ndarray, np.ndarray], user: Int[np.ndarray, " pairs"],
    chosen: Int[np.ndarray, " pairs"], favourites: np.ndarray, models: GemModels,
    rng: np.random.Generator,
) -> GemSessions:  # fmt: skip
    """Every pair has a session, and some have more; LoRAs of the later topic come later."""
    n_images, n_pairs = counts
    n_more = (n_images - n_pairs) // 6
    first = np.cumsum(n_pairs) - n_pairs
    again = np.repeat(np.arange(len(n_pairs)), n_more)
    pair = np.concatenate(
        [np.arange(len(user)), first[again] + (rng.random(len(again)) * n_pairs[again]).astype(int)]
    )
    who, model = user[pair], chosen[pair]
    phase = rng.random(len(pair)) + 0.7 * (models.topic[model] == favourites[who, 1])
    order = np.lexsort((phase, who))
    who, model = who[order], model[order]
    start = np.sort(rng.uniform(START, END, len(who)))[np.argsort(rng.random(len(who)))]
    start = start[np.lexsort((start, who))]
    n_sessions = n_pairs + n_more
    begin = np.cumsum(n_sessions) - n_sessions
    size = 1 + _extra(n_images - n_sessions, begin, n_sessions, rng)
    other = begin[who] + (rng.random(len(who)) * n_sessions[who]).astype(int)
    second = np.where((rng.random(len(who)) < 0.2) & (model[other] != model), model[other], -1)
    return GemSessions(who, model, second, size, start, np.zeros(len(who), dtype=bool))


def _extra(
    more: Int[np.ndarray, " users"], begin: np.ndarray, n: np.ndarray, rng: np.random.Generator
) -> Int[np.ndarray, " sessions"]:
    """Images beyond the first of each session: ``more`` of each user, in sessions by chance."""
    who = np.repeat(np.arange(len(more)), more)
    place = begin[who] + (rng.random(len(who)) ** 2 * n[who]).astype(int)
    return np.bincount(place, minlength=int(n.sum()))


def _with_showcases(
    plan: GemPlan, sessions: GemSessions, models: GemModels, rng: np.random.Generator
) -> GemSessions:
    """With sessions of about four images in which owners show a LoRA of theirs."""
    n = round(plan.n_images * plan.in_house_share / (1 - plan.in_house_share))
    if not n:
        return sessions
    sizes = np.full(-(-n // 4), 4)
    sizes[-1] -= int(sizes.sum()) - n
    model = rng.integers(0, plan.n_models, len(sizes))
    parts = (
        (sessions.user, models.owner[model]), (sessions.model, model),
        (sessions.second, np.full(len(sizes), -1)), (sessions.size, sizes),
        (sessions.start, rng.uniform(START, END, len(sizes))),
        (sessions.in_house, np.ones(len(sizes), dtype=bool)),
    )  # fmt: skip
    whole = [np.concatenate(pair) for pair in parts]
    order = np.lexsort((whole[4], whole[0]))
    return GemSessions(*(column[order] for column in whole))
