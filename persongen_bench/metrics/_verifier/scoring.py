"""Logits from stored arrays, in float64: a loaded verifier is the trained one, digit by digit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.util.batching import blocks

Weights: TypeAlias = Mapping[str, np.ndarray]
"""`training.TrainedVerifier.arrays`: the network's parameters, the embeddings' mean and scale."""

_CELLS = 20_000
"""Pairs whose hidden layers are in memory at a time."""
_DECIMALS = 10
"""Logits are rounded to this many: sums of another order, where images or users stand at other
places, give the same number, and copies of an image tie."""


class Projected(NamedTuple):
    """What the logits need to know of n images."""

    quality: Float[np.ndarray, " n"]
    factors: Float[np.ndarray, "n g"]
    """In the factorisation; g = 0 without one."""
    hidden: Float[np.ndarray, "n h"]
    """In the MLP's first layer; h = 0 without one."""

    def take(self, rows: Int[np.ndarray, " m"] | slice) -> Projected:
        """Some of the images."""
        return Projected(*(part[rows] for part in self))


def standardise(
    embeddings: Float[np.ndarray, "n d"], mean: np.ndarray, scale: float | np.ndarray
) -> Float[np.ndarray, "n d"]:
    """``(embeddings - mean) / scale`` in float64."""
    return np.asarray((embeddings.astype(np.float64) - mean) / scale)


def project(weights: Weights, embeddings: Float[np.ndarray, "n d"]) -> Projected:
    """All that depends on the image alone; what is left costs no more for wide embeddings."""
    x = standardise(embeddings, weights["mean"], weights["scale"])
    quality = _linear(weights, "linear", x)[:, 0]
    nothing = np.zeros((len(x), 0))
    factors = hidden = nothing
    if "gmf_user" in weights:
        factors = _linear(weights, "gmf_item", x) * weights["gmf_head"]
    if "mlp_user" in weights:
        width = weights["mlp_user"].shape[1]
        hidden = _linear(weights, "mlp_item", x) @ _wide(weights["first.weight"])[:, width:].T
    return Projected(quality, factors, hidden)


def logits(weights: Weights, embeddings: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n users"]:
    """Logit of every image for every user the verifier was trained with; float64."""
    return score(weights, project(weights, embeddings), np.arange(len(weights["user_bias"])))


def score(
    weights: Weights, images: Projected, users: Int[np.ndarray, " users"]
) -> Float[np.ndarray, "n users"]:
    """Logit of every image for each of the users, given by position."""
    total = images.quality[:, None] + _wide(weights["user_bias"][users])
    if "gmf_user" in weights:
        total += images.factors @ _wide(weights["gmf_user"][users]).T
    if "mlp_user" in weights:
        of_users = _first_layer(weights, users)
        for part in blocks(len(total), max(1, _CELLS // max(1, len(users)))):
            pairs = images.hidden[part, None] + of_users
            above = _above(weights, pairs.reshape(-1, pairs.shape[2]))
            total[part] += above.reshape(-1, len(users))
    return np.asarray(np.round(total, _DECIMALS))


def score_own(
    weights: Weights, images: Projected, user: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Logit of image i for the user at position ``user[i]``; the same number as in `score`."""
    total = images.quality + _wide(weights["user_bias"][user])
    if "gmf_user" in weights:
        total += np.einsum("ng,ng->n", images.factors, _wide(weights["gmf_user"][user]))
    if "mlp_user" in weights:
        for part in blocks(len(total), _CELLS):
            total[part] += _above(weights, images.hidden[part] + _first_layer(weights, user[part]))
    return np.asarray(np.round(total, _DECIMALS))


def _first_layer(weights: Weights, users: np.ndarray) -> Float[np.ndarray, "users h"]:
    """What the users add in the MLP's first layer."""
    table = _wide(weights["mlp_user"][users])
    first = _wide(weights["first.weight"])
    return np.asarray(table @ first[:, : table.shape[1]].T + weights["first.bias"])


def _above(weights: Weights, first: Float[np.ndarray, "pairs h"]) -> Float[np.ndarray, " pairs"]:
    """The MLP from its first layer upwards."""
    h, k = np.maximum(first, 0), 0
    while f"layers.{k}.weight" in weights:
        h = np.maximum(_linear(weights, f"layers.{k}", h), 0)
        k += 1
    return np.asarray((h @ _wide(weights["mlp_head.weight"]).T)[:, 0])


def _linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return np.asarray(x @ _wide(weights[f"{name}.weight"]).T + weights[f"{name}.bias"])


def _wide(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)
