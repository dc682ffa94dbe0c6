"""How good the multimodal model is, read by the attribute reader on pictures nobody trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from persongen_bench.core.language import Codes, MultimodalModel, PicturePart, WriteOptions
from persongen_bench.core.types import Image
from persongen_bench.stacks.sandbox import data
from persongen_bench.stacks.sandbox.lmm.patch_codec import PatchCodec
from persongen_bench.stacks.sandbox.quality import agreement
from persongen_bench.util.multimodal.prompts import CAPTION, wish
from persongen_bench.worlds.tasteworld.attributes import ATTRIBUTES, COUNTS, NAMES, Scenes, caption
from persongen_bench.worlds.tasteworld.content import CONTENT, subjects
from persongen_bench.worlds.tasteworld.render import render

N = 200
N_HISTORY = 5
SCALES = (1.0, 2.0, 4.0)
"""Guidance over the history that is measured."""
_SEED = 7_171
_CONTENT = np.isin(NAMES, CONTENT)
_SHOWN = ("all", "mean", "legible")


def measure(lmm: MultimodalModel, n: int = N) -> dict[str, Any]:
    """Both codecs, captions to pictures and back, and what a history does.

    ``all``: share of pictures of which all five attributes are read as meant; for the decoder
    from whole embeddings the card of the stack has it.
    """
    scenes, pictures = data.held_out(n)
    images, seeds = list(pictures), list(range(n))
    codes = lmm.tokenize(images)
    said = lmm.say([[PicturePart(row), CAPTION] for row in codes])
    prompts = [wish([], caption(scene, k)) for k, scene in enumerate(scenes)]
    written = lmm.write(prompts, seeds)
    routes = {
        "tokens": lmm.draw(codes, seeds),
        "patch_codes": _patches(images),
        "caption_to_picture": lmm.draw(written, seeds),
    }
    return {
        "n": n,
        **{name: _shown(drawn, scenes) for name, drawn in routes.items()},
        "picture_to_caption": _read_captions(said, scenes),
        "history": {f"guidance {scale:g}": follows(lmm, n, scale) for scale in SCALES},
    }


def follows(lmm: MultimodalModel, n: int, scale: float) -> dict[str, float]:
    """What the word codes of new pictures show: named content, and the history's way of making.

    Each of ``n`` histories holds five pictures of one background and style, all else by chance;
    the words name the content of another picture. ``own``: share whose background and style are
    the history's (their mean); ``other``: those of the next history; ``none``: without a history.
    """
    rng = np.random.default_rng(_SEED)
    wanted, _ = data.pictures(n, rng)
    shown = np.repeat(wanted[:, None], N_HISTORY, axis=1)
    shown[..., _CONTENT] = rng.integers(0, np.array(COUNTS)[_CONTENT], (n, N_HISTORY, 3))
    flat = shown.reshape(-1, len(NAMES))
    images = render(flat, rng.integers(0, 2**63, len(flat), dtype=np.uint64))
    codes = lmm.tokenize(list(images))
    history = [codes[k * N_HISTORY : (k + 1) * N_HISTORY] for k in range(n)]
    texts, options = subjects(wanted), WriteOptions(guidance_scale=scale)
    told = [wish(h, text) for h, text in zip(history, texts, strict=True)]
    made = _words(lmm.write(told, list(range(n)), options))
    alone = _words(lmm.write([wish([], text) for text in texts], list(range(n))))
    way = ~_CONTENT
    return _rounded({
        "content": (made == wanted)[:, _CONTENT].mean(),
        "own": (made == wanted)[:, way].mean(),
        "other": (made == np.roll(wanted, 1, axis=0))[:, way].mean(),
        "none": (alone == wanted)[:, way].mean(),
    })  # fmt: skip


def _words(codes: Sequence[Codes]) -> Int[np.ndarray, "n 5"]:
    starts = np.concatenate([[0], np.cumsum(COUNTS)[:-1]])
    return np.stack(codes)[:, : len(COUNTS)] - starts


def _patches(images: list[Image]) -> list[Image]:
    """The pictures through codes of their patches."""
    rng = np.random.default_rng(_SEED)
    codec = PatchCodec.fit(data.pictures(2_000, rng)[1], rng)
    return codec.draw(codec.tokenize(images), range(len(images)))


def _shown(drawn: Sequence[Image], scenes: Scenes) -> dict[str, float]:
    figures = agreement(drawn, scenes)
    return _rounded({name: figures[name] for name in _SHOWN})


def _read_captions(said: Sequence[str], scenes: Scenes) -> dict[str, float]:
    """Share of pictures whose words name the value of each attribute, and of all five."""
    tables = list(ATTRIBUTES.values())
    right = np.array([
        [table[code] in text.split() for table, code in zip(tables, scene, strict=True)]
        for text, scene in zip(said, scenes.tolist(), strict=True)
    ])  # fmt: skip
    return _rounded({"all": right.all(axis=1).mean(), "mean": right.mean()})


def _rounded(figures: dict[str, float | Float[np.ndarray, ""]]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in figures.items()}
