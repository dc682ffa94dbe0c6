"""Figures of a sprite autoencoder on sprites that it never saw, for its card and its tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from persongen_bench.core.progress import Progress, no_progress
from persongen_bench.stacks.sprites.data import SpriteSplit, draw_batch
from persongen_bench.stacks.sprites.model import SpriteVae
from persongen_bench.worlds.sprite_taste import LEVEL, SpriteReading, read

N_SPRITES = 1_000
"""Held-out sprites per figure."""
N_NEIGHBOURS = 5_000
"""Training sprites among which the nearest neighbour is sought."""
NOISE = (0.1, 0.2, 0.3)
"""Standard deviations of the noise on embeddings (whose columns have unit variance or less)."""


@dataclass(frozen=True)
class _Sprites:
    """Images, what the reader sees on them, and their embeddings."""

    images: UInt8[np.ndarray, "n 3 64 64"]
    truth: SpriteReading
    embeddings: Float[np.ndarray, "n 32"]


def measure(
    model: SpriteVae, split: SpriteSplit, progress: Progress = no_progress
) -> dict[str, float]:
    """All figures by name; shares in [0, 1], one fixed draw of sprites and of noise."""
    rng = np.random.default_rng(0)
    held_out = _sprites(model, draw_batch(split.held_out, N_SPRITES, rng))
    known = _sprites(model, draw_batch(split.train, N_NEIGHBOURS, rng))
    figures = _reconstruction(model, held_out) | _neighbours(held_out, known)
    for sigma in progress(NOISE, "measuring the sprite autoencoder", len(NOISE)):
        noisy = held_out.embeddings + sigma * rng.standard_normal(held_out.embeddings.shape)
        right = _right(read(list(decode(model, noisy))), held_out.truth)
        figures[f"readable_with_noise_{sigma:g}"] = float(right.mean())
    figures |= _interpolation(model, held_out, rng) | _moments(known.embeddings)
    return {name: round(value, 4) for name, value in figures.items()}


def decode(model: SpriteVae, rows: Float[np.ndarray, "n 32"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Images of embeddings, in chunks."""
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(np.asarray(rows, dtype=np.float32)), 500)
        drawn = torch.cat([model.draw(p).mul(255).round().to(torch.uint8) for p in parts])
        return np.asarray(drawn.numpy())


def encode(model: SpriteVae, images: UInt8[np.ndarray, "n 3 64 64"]) -> Float[np.ndarray, "n 32"]:
    """Embeddings of images, in chunks."""
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(images), 500)
        return np.asarray(torch.cat([model.embed(p.float() / 255) for p in parts]).numpy())


def _sprites(model: SpriteVae, images: UInt8[np.ndarray, "n 3 64 64"]) -> _Sprites:
    return _Sprites(images, read(list(images)), encode(model, images))


def _right(seen: SpriteReading, truth: SpriteReading) -> Bool[np.ndarray, " n"]:
    """Whether a clear sprite of the true shape and colour is seen."""
    return np.asarray(seen.clear & (seen.shape == truth.shape) & (seen.colour == truth.colour))


def _reconstruction(model: SpriteVae, held_out: _Sprites) -> dict[str, float]:
    drawn = decode(model, held_out.embeddings)
    seen = read(list(drawn))
    a, b = drawn.max(axis=1) >= LEVEL, held_out.images.max(axis=1) >= LEVEL
    iou = (a & b).sum(axis=(1, 2)) / (a | b).sum(axis=(1, 2))
    return {
        "attribute_agreement": float(_right(seen, held_out.truth).mean()),
        "shape_agreement": float((seen.shape == held_out.truth.shape).mean()),
        "colour_agreement": float((seen.colour == held_out.truth.colour).mean()),
        "reader_iou_percentile_1": float(np.percentile(seen.iou, 1)),
        "reconstruction_iou_mean": float(iou.mean()),
        "reconstruction_iou_percentile_1": float(np.percentile(iou, 1)),
    }


def _neighbours(held_out: _Sprites, known: _Sprites) -> dict[str, float]:
    """Agreement of held-out sprites with their nearest training sprite by cosine."""
    near = (_unit(held_out.embeddings) @ _unit(known.embeddings).T).argmax(axis=1)
    shape = known.truth.shape[near] == held_out.truth.shape
    colour = known.truth.colour[near] == held_out.truth.colour
    return {
        "nearest_neighbour_shape": float(shape.mean()),
        "nearest_neighbour_colour": float(colour.mean()),
        "nearest_neighbour_both": float((shape & colour).mean()),
    }


def _unit(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _interpolation(
    model: SpriteVae, held_out: _Sprites, rng: np.random.Generator
) -> dict[str, float]:
    """Half-way between two sprites of one shape and colour: clear, and of that kind?"""
    kind = held_out.truth.shape * 8 + held_out.truth.colour
    order = np.argsort(kind + 0.5 * rng.random(len(kind)))
    first, second = order[:-1], order[1:]
    same = kind[first] == kind[second]
    first, second = first[same], second[same]
    middle = (held_out.embeddings[first] + held_out.embeddings[second]) / 2
    seen = read(list(decode(model, middle)))
    alike = (seen.shape * 8 + seen.colour) == kind[first]
    return {
        "midpoint_right_kind": float(alike.mean()),
        "midpoint_clear_and_right_kind": float((alike & seen.clear).mean()),
    }


def _moments(embeddings: Float[np.ndarray, "n 32"]) -> dict[str, float]:
    """How far the columns are from standard normal."""
    std = embeddings.std(axis=0)
    z = (embeddings - embeddings.mean(axis=0)) / std
    return {
        "embedding_mean_abs_max": float(np.abs(embeddings.mean(axis=0)).max()),
        "embedding_std_min": float(std.min()),
        "embedding_std_max": float(std.max()),
        "embedding_abs_max": float(np.abs(embeddings).max()),
        "embedding_excess_kurtosis_abs_max": float(np.abs((z**4).mean(axis=0) - 3).max()),
    }
