"""Training requests: what a user might be asked for, made of training data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from persongen_bench.core.dataset import View
from persongen_bench.methods.ragar.config import RagarConfig
from persongen_bench.methods.ragar.generator import Generator, detailed, global_text
from persongen_bench.methods.ragar.preferences import Asked, Preferences
from persongen_bench.methods.ragar.states import TextStates
from persongen_bench.methods.ragar.words import joined


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


def requests_of(
    train: View,
    users: Sequence[str],
    preferences: Preferences,
    config: RagarConfig,
    rng: np.random.Generator,
) -> list[TrainingRequest]:
    """``config.n_requests`` of people who like something, with references as neutral as may be.

    The reference is any item that the user has not rated: it says nothing of their taste.
    """
    likes = train.liked_items
    asking = [user for user in users if likes.get(user)]
    if not asking:
        return []
    rated = train.interactions.groupby("user_id")["item_id"].agg(set)
    drawn = []
    for _ in range(config.n_requests):
        user = asking[int(rng.integers(len(asking)))]
        drawn.append((user, _unrated(train.catalog.ids, rated[user], rng)))
    items = [item for _, item in drawn]
    by_caption = config.reference_text == "caption"
    texts = (preferences.words.captions if by_caption else preferences.words.subjects)(items)
    return [
        TrainingRequest(user, item, preferences.of(text, [i for i in likes[user] if i != item]))
        for (user, item), text in zip(drawn, texts, strict=True)
    ]


def _unrated(items: Sequence[str], rated: set[str], rng: np.random.Generator) -> str:
    """An item that is not rated; any item where twenty draws find none."""
    for _ in range(20):
        item = items[int(rng.integers(len(items)))]
        if item not in rated:
            return item
    return items[int(rng.integers(len(items)))]


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
