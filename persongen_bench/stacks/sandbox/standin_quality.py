"""Figures for the cards: what can be read from an embedding, and how good a ranking is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.roles import TextEncoder
from persongen_bench.core.stack import ImageEncoder
from persongen_bench.core.types import Embeddings
from persongen_bench.stacks.sandbox.standin_training import DrawnScenes, draw, nearby, scene_split
from persongen_bench.worlds.tasteworld.attributes import COUNTS, NAMES, Scenes

N_HELD_OUT = 500
"""Pictures of held-out scenes per figure."""
N_PROBE = 3_000
"""Pictures of training scenes on which a probe is fitted."""
PROMPT_CONTEXTS = 24
"""Scenes per value over which `prototypes` averages."""
_RIDGE = 1e-3
_SEED = 500

Phrase = Callable[[Int[np.ndarray, " 5"], int], str]
"""A caption of a scene; the number picks among the ways to say it."""


def held_out_pictures(n: int = N_HELD_OUT) -> DrawnScenes:
    """Pictures of scenes that no stand-in was trained on, the same ones for every model."""
    return draw(scene_split()[1], n, np.random.default_rng(_SEED))


def probe(encoder: ImageEncoder, n_fit: int = N_PROBE) -> dict[str, float]:
    """Accuracy per attribute of a linear read-out (ridge regression on one-hot labels).

    Fitted on pictures of training scenes, measured on those of held-out scenes; the mean over
    attributes comes first. Chance is one over the number of values.
    """
    fit = draw(scene_split()[0], n_fit, np.random.default_rng(_SEED + 1))
    test = held_out_pictures()
    x, y = encoder.encode(list(fit.images)), encoder.encode(list(test.images))
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, y = _with_one((x - centre) / scale), _with_one((y - centre) / scale)
    gram = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
    accuracy = {}
    for k, name in enumerate(NAMES):
        labels = np.eye(COUNTS[k])[fit.scenes[:, k]]
        guess = (y @ np.linalg.solve(gram, x.T @ labels)).argmax(axis=1)
        accuracy[name] = float((guess == test.scenes[:, k]).mean())
    return with_mean(accuracy)


def _with_one(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
    return np.concatenate([rows.astype(np.float64), np.ones((len(rows), 1))], axis=1)


def with_mean(per_attribute: dict[str, float]) -> dict[str, float]:
    """The same figures, rounded, with their mean in front."""
    mean = float(np.mean(list(per_attribute.values())))
    return {k: round(v, 4) for k, v in ({"mean": mean} | per_attribute).items()}


def unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows of unit length."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def prototypes(encoder: TextEncoder, phrase: Phrase) -> list[Float[np.ndarray, "values d"]]:
    """Per attribute one direction for each value: the mean embedding of captions that name it.

    The captions say whole scenes, the same contexts for every value of an attribute, so that
    what they share cancels; the mean over the values is subtracted.
    """
    rng = np.random.default_rng(_SEED + 2)
    directions = []
    for k, n_values in enumerate(COUNTS):
        contexts = scene_split()[0][rng.choice(len(scene_split()[0]), PROMPT_CONTEXTS, False)]
        scenes = np.repeat(contexts[None], n_values, axis=0)
        scenes[:, :, k] = np.arange(n_values)[:, None]
        texts = [
            phrase(scene, i % PROMPT_CONTEXTS) for i, scene in enumerate(scenes.reshape(-1, 5))
        ]
        rows = unit(encoder.encode_texts(texts)).reshape(n_values, PROMPT_CONTEXTS, -1).mean(1)
        directions.append(rows - rows.mean(axis=0))
    return directions


def zero_shot(
    rows: Embeddings, table: list[Float[np.ndarray, "values d"]]
) -> Int[np.ndarray, "n 5"]:
    """The nearest value of each attribute, by the cosine with its prototype."""
    return np.stack([(unit(rows) @ values.T).argmax(axis=1) for values in table], axis=1)


def zero_shot_accuracy(
    rows: Embeddings, table: list[Float[np.ndarray, "values d"]], truth: Scenes
) -> dict[str, float]:
    """Share of right values per attribute, their mean in front."""
    right = (zero_shot(rows, table) == truth).mean(axis=0)
    return with_mean(dict(zip(NAMES, right.tolist(), strict=True)))


def matching(images: Embeddings, texts: Embeddings, others: Embeddings) -> dict[str, float]:
    """Cosine of pictures with their own captions, with shuffled ones, and with near misses.

    ``others``: captions of the same scenes with one attribute changed. ``own_wins_*`` is the
    share of pictures whose own caption has the larger cosine.
    """
    pictures, own, near = unit(images), unit(texts), unit(others)
    cosine = (pictures * own).sum(axis=1)
    shuffled = (pictures * np.roll(own, 1, axis=0)).sum(axis=1)
    missed = (pictures * near).sum(axis=1)
    figures = {
        "cosine_own": cosine.mean(), "cosine_shuffled": shuffled.mean(),
        "own_wins_shuffled": (cosine > shuffled).mean(),
        "own_wins_one_attribute_changed": (cosine > missed).mean(),
    }  # fmt: skip
    return {name: round(float(value), 4) for name, value in figures.items()}


def near_misses(scenes: Scenes) -> Scenes:
    """Every scene with exactly one attribute changed."""
    return nearby(scenes, 1, np.random.default_rng(_SEED + 3))


def rank_correlation(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Spearman's correlation."""
    from scipy.stats import spearmanr

    return round(float(spearmanr(first, second).statistic), 4)
