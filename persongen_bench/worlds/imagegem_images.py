"""The images of a simulated ImageGem, some sessions at a time: prompts, scenes, times, feedback.

An image is a scene of tasteworld, which its prompt begins with, so that it can be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from persongen_bench.util.batching import blocks
from persongen_bench.worlds.imagegem_log import STYLES, TOPICS, GemWorld
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, NAMES, Scenes

PHRASES = {
    "cars": ("a vintage car", "sports car", "racing vehicle", "old cars"),
    "dogs": ("a small dog", "puppy", "two dogs", "running puppies"),
    "scenery": ("scenery", "wide landscape", "mountain landscape", "quiet scenery"),
    "girls": ("1girl", "a woman", "portrait of a girl", "two girls"),
    "food": ("a bowl of soup", "cake", "fresh bread", "fruit"),
    "robots": ("a robot", "android", "machine", "mech"),
    "castles": ("a castle", "stone tower", "old fortress", "ruins"),
    "birds": ("a bird", "owl", "two parrots", "sea gulls"),
}
FILLERS = (
    "masterpiece", "detailed", "soft light", "rim light", "bokeh", "8k", "sharp focus", "warm",
    "cold", "dramatic", "calm", "ornate", "simple", "grain", "wide angle", "close up", "symmetry",
    "dusk", "dawn", "fog", "rain", "snow", "glow", "texture", "high contrast", "muted", "vivid",
    "volumetric", "cinematic", "studio", "macro", "panorama", "clean lines", "bold", "dreamy",
)  # fmt: skip
NSFW, NSFW_SHARES = ("None", "Soft", "Mature", "X"), (0.7, 0.15, 0.1, 0.05)
LICENSES = ("openrail-m", "no-derivatives", "no-commercial-use")
N_ASPECTS = 6
SESSIONS = 20_000
"""That are held at a time."""
_PAUSE = (20.0, 240.0)
"""Seconds between the images of a session."""


@dataclass(frozen=True)
class GemImages:
    """Rows of images, in the order of their sessions."""

    number: Int[np.ndarray, " n"]
    """Counts all images of the world."""
    session: Int[np.ndarray, " n"]
    prompts: list[str]
    scenes: Scenes
    timestamp: Float[np.ndarray, " n"]
    feedback: Int[np.ndarray, "n 4"]
    """Heart, like, laugh, cry."""
    unsafe: Float[np.ndarray, "n 6"]
    """Six probabilities that the prompt is unsafe."""
    nsfw: Int[np.ndarray, " n"]
    license: Int[np.ndarray, " n"]


def image_blocks(world: GemWorld) -> Iterator[GemImages]:
    """All images, `SESSIONS` sessions at a time."""
    ends = np.cumsum(world.sessions.size)
    for number, part in enumerate(blocks(len(world.sessions.user), SESSIONS)):
        rows = np.arange(part.start, min(part.stop, len(ends)))
        first = int(ends[rows[0]] - world.sessions.size[rows[0]])
        yield _images(world, rows, first, np.random.default_rng([world.plan.seed, 0x1A, number]))


def mixed(numbers: Int[np.ndarray, " n"], seed: int) -> UInt64[np.ndarray, " n"]:
    """64 bits for every number, which tell nothing of their order (splitmix64)."""
    with np.errstate(over="ignore"):
        z = np.asarray(numbers).astype(np.uint64) + np.uint64(seed + 1) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def _images(
    world: GemWorld, rows: Int[np.ndarray, " s"], first: int, rng: np.random.Generator
) -> GemImages:
    size = world.sessions.size[rows]
    session = np.repeat(rows, size)
    place = np.arange(len(session)) - np.repeat(np.cumsum(size) - size, size)
    changed = (place > 0) & (rng.random(len(session)) < 0.3)
    scenes = _scenes(world, rows, rng)[session - rows[0]]
    scenes = _varied(scenes, changed, rng)
    pause = np.where(place > 0, rng.uniform(*_PAUSE, len(session)), 0)
    elapsed = np.cumsum(pause)
    elapsed -= np.repeat(elapsed[np.cumsum(size) - size], size)
    unsafe = rng.random(len(rows)) < world.plan.unsafe_share
    return GemImages(
        first + np.arange(len(session)), session,
        _prompts(world, rows, session - rows[0], scenes, changed, rng), scenes,
        np.round(world.sessions.start[session] + elapsed), _feedback(world, session, rng),
        _aspects(unsafe, rng)[session - rows[0]],
        rng.choice(len(NSFW), len(session), p=NSFW_SHARES),
        rng.integers(0, len(LICENSES), len(session)),
    )  # fmt: skip


def _scenes(world: GemWorld, rows: Int[np.ndarray, " s"], rng: np.random.Generator) -> Scenes:
    """A scene for every session: shape and style by the LoRA, colour by the user, mostly."""
    counts = [len(values) for values in ATTRIBUTES.values()]
    scenes = np.stack([rng.integers(0, n, len(rows)) for n in counts], 1)
    column = {name: k for k, name in enumerate(NAMES)}
    model, user = world.sessions.model[rows], world.sessions.user[rows]
    for name, wanted, share in (
        ("shape", world.models.topic[model] % 7, 0.8),
        ("style", world.models.style[model], 0.8),
        ("colour", world.favourites[user, 3], 0.6),
    ):
        as_wanted = rng.random(len(rows)) < share
        scenes[as_wanted, column[name]] = wanted[as_wanted]
    return scenes


def _varied(scenes: Scenes, changed: Bool[np.ndarray, " n"], rng: np.random.Generator) -> Scenes:
    """The scenes, with another background or size where one is ``changed``."""
    varied = scenes.copy()
    column = np.where(rng.random(len(scenes)) < 0.5, NAMES.index("size"), NAMES.index("background"))
    counts = np.array([len(values) for values in ATTRIBUTES.values()])
    rows = np.flatnonzero(changed)
    step = 1 + (rng.random(len(rows)) * (counts[column[rows]] - 1)).astype(int)
    varied[rows, column[rows]] = (varied[rows, column[rows]] + step) % counts[column[rows]]
    return varied


def _prompts(
    world: GemWorld, rows: Int[np.ndarray, " s"], session: Int[np.ndarray, " n"], scenes: Scenes,
    changed: Bool[np.ndarray, " n"], rng: np.random.Generator,
) -> list[str]:  # fmt: skip
    """One tail of words a session; the scene before it may change from image to image."""
    tails = _tails(world, rows, rng)
    words = list(ATTRIBUTES.values())
    texts: list[str] = []
    for place, codes, new in zip(session.tolist(), scenes.tolist(), changed.tolist(), strict=True):
        shape, colour, size, ground, style = (w[c] for w, c in zip(words, codes, strict=True))
        scene = f"{size} {colour} {shape}, {ground}, {style}"
        texts.append(f"{scene}, {tails[place]}, new try" if new else f"{scene}, {tails[place]}")
    return texts


def _tails(world: GemWorld, rows: Int[np.ndarray, " s"], rng: np.random.Generator) -> list[str]:
    topic = world.models.topic[world.sessions.model[rows]]
    sigma = 0.7
    wanted = rng.lognormal(np.log(world.plan.mean_words - 8) - sigma**2 / 2, sigma, len(rows))
    n_words = np.maximum(1, np.rint(wanted / 1.28)).astype(int)  # words of a filler, on average
    which = rng.integers(0, len(FILLERS), int(n_words.sum())).tolist()
    ends = np.cumsum(n_words).tolist()
    phrase = rng.integers(0, 4, len(rows)).tolist()
    texts, begin = [], 0
    for kind, pick, end in zip(topic.tolist(), phrase, ends, strict=True):
        words = ", ".join([FILLERS[k] for k in which[begin:end]])
        texts.append(f"{PHRASES[TOPICS[kind]][pick]}, {words}")
        begin = end
    return texts


def _feedback(
    world: GemWorld, session: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Int[np.ndarray, "n 4"]:
    """Long-tailed counts, more of them for popular LoRAs in the style that they were made for."""
    fame = world.models.popularity[world.sessions.model[session]]
    rate = fame / world.models.popularity.mean() * rng.lognormal(-0.5, 1.2, len(session))
    share = np.array([2.0, 3.0, 0.3, 0.2])
    return np.asarray(rng.poisson(np.minimum(rate, 1e4)[:, None] * share))


def _aspects(unsafe: Bool[np.ndarray, " s"], rng: np.random.Generator) -> np.ndarray:
    """Six probabilities a session: below .2, but for one of an unsafe prompt."""
    values = np.minimum(rng.beta(0.4, 20.0, (len(unsafe), N_ASPECTS)), 0.19)
    rows = np.flatnonzero(unsafe)
    values[rows, rng.integers(0, N_ASPECTS, len(rows))] = rng.uniform(0.21, 0.99, len(rows))
    return np.round(values, 4).astype(np.float32)


def tags_of(world: GemWorld) -> list[tuple[int, str]]:
    """``(LoRA, tag)``: its topic and its style as somebody tagged them."""
    pairs = []
    for model, (topic, style) in enumerate(world.models.tagged.tolist()):
        pairs += [(model, TOPICS[topic]), (model, STYLES[style])]
        if style in (0, 3):
            pairs.append((model, "anime"))
        if style == 2:
            pairs.append((model, "realistic"))
    return pairs
