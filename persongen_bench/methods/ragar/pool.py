"""Training requests: what a user might be asked for, made of training data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from persongen_bench.core.dataset import View
from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.generator import Generator, detailed, global_text
from persongen_bench.methods.ragar.preferences import Asked, Preferences
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.methods.ragar.words import joined, preference_prompt


@dataclass(frozen=True)
class TrainingRequest:
    """A user, and a picture of the training catalogue that they have not rated, to follow."""

    user: str
    item: str
    asked: Asked


@dataclass(frozen=True)
class Pool:
    """Training requests and what does not change while the calibrator is trained, row by row."""

    requests: Sequence[TrainingRequest]
    detail: Float[Tensor, "n rows w"]
    """D after stage 0."""
    overall: Float[Tensor, "n rows w"]
    """G: the text encoder's states of the keywords (77 x 768 in Stable Diffusion 1.5)."""
    plain: Float[Tensor, "n rows w"]
    """The text encoder's states of the reference's text."""
    whole: Float[Tensor, "n rows w"]
    """The same of the text with the keywords behind it."""

    def __len__(self) -> int:
        return len(self.requests)


class Pools(NamedTuple):
    """Training requests to learn from, and others to judge what was learned by."""

    trained: Pool
    held_back: Pool | None
    """None: nothing is held back, and the last state counts."""


def requests_of(
    train: View,
    users: Sequence[str],
    preferences: Preferences,
    config: RagarConfig,
    rng: np.random.Generator,
) -> list[TrainingRequest]:
    """``n_requests`` and ``n_validation`` of people who like something, the latter last.

    References are as neutral as may be: any item that the user has not rated says nothing of their
    taste.
    """
    likes = train.liked_items
    asking = [user for user in users if likes.get(user)]
    if not asking:
        return []
    rated = train.interactions.groupby("user_id")["item_id"].agg(set)
    drawn = []
    for _ in range(config.n_requests + config.n_validation):
        user = asking[int(rng.integers(len(asking)))]
        drawn.append((user, _unrated(train.catalog.ids, rated[user], rng)))
    items = [item for _, item in drawn]
    by_caption = config.reference_text == "caption"
    texts = (preferences.words.captions if by_caption else preferences.words.subjects)(items)
    return [
        TrainingRequest(user, item, preferences.of(text, [i for i in likes[user] if i != item]))
        for (user, item), text in zip(drawn, texts, strict=True)
    ]


def outputs(
    generator: Generator, pool: Pool, places: Tensor, *, fresh: bool
) -> tuple[Float[Tensor, "n q w"], Float[Tensor, "n rows w"]]:
    """The mapper's rows M and the output P of requests by place.

    ``fresh``: of the special tokens and the mapper as they are now, not after stage 0.
    """
    overall = pool.overall[places]
    if not fresh:
        detail = pool.detail[places]
        return detail[:, generator.detail.n_text_rows :], generator.general(detail, overall)
    asked = [pool.requests[place].asked for place in places.tolist()]
    said = generator.detail([preference_prompt(a.text, a.keywords) for a in asked])
    return said.mapped, generator.general(said.whole, overall)


def _unrated(items: Sequence[str], rated: set[str], rng: np.random.Generator) -> str:
    """An item that is not rated; any item where twenty draws find none."""
    for _ in range(20):
        item = items[int(rng.integers(len(items)))]
        if item not in rated:
            return item
    return items[int(rng.integers(len(items)))]


def fill_pools(
    requests: Sequence[TrainingRequest], n_validation: int, generator: Generator, states: TextStates
) -> Pools:
    """The last ``n_validation`` requests are held back, but for those that are trained on too."""
    n = len(requests) - n_validation
    trained = {(request.user, request.item) for request in requests[:n]}
    new = [request for request in requests[n:] if (request.user, request.item) not in trained]
    held_back = fill_pool(new, generator, states) if new else None
    return Pools(fill_pool(requests[:n], generator, states), held_back)


def fill_pool(
    requests: Sequence[TrainingRequest], generator: Generator, states: TextStates
) -> Pool:
    """Encode every request, each alone."""

    def stacked(texts: Sequence[str]) -> Tensor:
        return torch.stack([states.of(text) for text in texts]).to(generator.device)

    asked = [request.asked for request in requests]
    return Pool(
        requests,
        torch.stack([detailed(generator, one) for one in asked]),
        stacked([global_text(one) for one in asked]),
        stacked([one.text for one in asked]),
        stacked([joined(one.text, one.keywords) for one in asked]),
    )
