"""Logits from stored arrays, in float64: a loaded verifier is the trained one, digit by digit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from persongen_bench.util.batching import blocks

Weights: TypeAlias = Mapping[str, np.ndarray]
"""`training.TrainedVerifier.weights`: the network's parameters, the embeddings' mean and scale."""

_CELLS = 20_000
"""Pairs whose hidden layers are in memory at a time."""


def standardise(
    embeddings: Float[np.ndarray, "n d"], mean: np.ndarray, scale: float | np.ndarray
) -> Float[np.ndarray, "n d"]:
    """``(embeddings - mean) / scale`` in float64."""
    return np.asarray((embeddings.astype(np.float64) - mean) / scale)


def logits(weights: Weights, embeddings: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n users"]:
    """Logit of every image for every user the verifier was trained with; float64."""
    w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    x = standardise(embeddings, w["mean"], w["scale"])
    quality = x @ w["linear.weight"].T + w["linear.bias"]
    total: np.ndarray = quality + w["user_bias"]
    if "gmf_user" in w:
        factors = (x @ w["gmf_item.weight"].T + w["gmf_item.bias"]) * w["gmf_head"]
        total = total + factors @ w["gmf_user"].T
    if "mlp_user" in w:
        total = total + _mlp(w, x)
    return total


def _mlp(w: Weights, x: np.ndarray) -> np.ndarray:
    width = w["mlp_user"].shape[1]
    first = w["first.weight"]
    of_users = w["mlp_user"] @ first[:, :width].T + w["first.bias"]
    of_items = (x @ w["mlp_item.weight"].T + w["mlp_item.bias"]) @ first[:, width:].T
    out = np.zeros((len(x), len(of_users)))
    for part in blocks(len(x), max(1, _CELLS // max(1, len(of_users)))):
        h = np.maximum(of_items[part, None] + of_users, 0).reshape(-1, len(first))
        k = 0
        while f"layers.{k}.weight" in w:
            h = np.maximum(h @ w[f"layers.{k}.weight"].T + w[f"layers.{k}.bias"], 0)
            k += 1
        out[part] = (h @ w["mlp_head.weight"].T).reshape(-1, len(of_users))
    return out
