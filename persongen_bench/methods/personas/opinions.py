"""Which images a user liked and disliked, and which of them count."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from persongen_bench.core.dataset import View
from persongen_bench.methods.personas.config import PersonaConfig


@dataclass(frozen=True)
class Opinions:
    """Item ids of one user, oldest first, without repetition."""

    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()


def opinions(train: View, config: PersonaConfig) -> dict[str, Opinions]:
    """The likes and dislikes that count, for every user of the training view."""
    log = train.ordered
    liked, disliked = _sides(log, config)
    likes, dislikes = _chosen(log[liked], config), _chosen(log[disliked], config)
    return {user: Opinions(likes.get(user, ()), dislikes.get(user, ())) for user in train.users}


def _sides(log: pd.DataFrame, config: PersonaConfig) -> tuple[pd.Series, pd.Series]:
    liked = log["liked"].astype(bool)
    if config.labels == "liked":
        return liked, ~liked
    above = log["rating"] >= config.like_from
    below = log["rating"] <= config.dislike_to
    contradicted = bool((above & ~liked).any() or (below & liked).any())
    if config.labels == "auto" and (contradicted or not (above.any() and below.any())):
        return liked, ~liked
    return above, below


def _chosen(log: pd.DataFrame, config: PersonaConfig) -> dict[str, tuple[str, ...]]:
    groups = log.drop_duplicates(["user_id", "item_id"]).groupby("user_id", sort=True)
    n = config.n_images_per_user
    rows = groups.head(n) if config.images == "first" else groups.tail(n)
    items = rows.groupby("user_id", sort=True)["item_id"]
    return {str(user): tuple(map(str, own)) for user, own in items}
