"""The sandbox's language: captions of scenes in many forms, and a tokenizer for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from transformers import CLIPTokenizer

from persongen_bench.worlds.tasteworld.attributes import NAMES, TEMPLATES, Scenes, caption, decode

TOKENIZER = Path(__file__).resolve().parent.parent / "weights" / "sandbox" / "tokenizer"
"""Folder of the tokenizer that ships with the package."""
CONTEXT_LENGTH = 32
"""Tokens of a prompt, the two markers included."""
FILLERS = (
    "best quality", "highly detailed", "realistic image", "finely detailed", "sharp focus",
    "a picture", "artwork", "beautiful", "with balanced composition", "harmonious elements",
    "liked image", "in the taste of the user", "masterpiece", "low quality", "blurry", "ugly",
    "deformed", "watermark", "bad composition", "a photo of", "<u1>", "<u7>", "<u23>", "<u108>",
)  # fmt: skip
"""Words that say nothing about a picture here; training adds them, so that they do no harm."""


def describe(
    scenes: Scenes, rng: np.random.Generator, *, partial: float = 0.0
) -> tuple[list[str], Bool[np.ndarray, "n 5"]]:
    """One text per scene, and which attributes it mentions.

    Texts are sentences or lists of keywords in any order; a share of ``partial`` mentions only
    some attributes. A third carries words without meaning.
    """
    texts, mentioned = [], np.ones((len(scenes), len(NAMES)), dtype=bool)
    for row, values in enumerate(decode(scenes)):
        if rng.random() < partial:
            mentioned[row] = _some(rng)
            text = _keywords(
                [v for v, said in zip(values, mentioned[row], strict=True) if said], rng
            )
        elif rng.random() < 0.5:
            text = caption(scenes[row], int(rng.integers(len(TEMPLATES))))
        else:
            text = _keywords(list(values), rng)
        texts.append(_filled(text, rng))
    return texts, mentioned


def _some(rng: np.random.Generator) -> Bool[np.ndarray, " 5"]:
    order: Int[np.ndarray, " 5"] = rng.permutation(len(NAMES))
    return np.asarray(order < rng.integers(1, len(NAMES)))


def _keywords(words: list[str], rng: np.random.Generator) -> str:
    return (", ", " ", ". ")[rng.integers(3)].join(words[i] for i in rng.permutation(len(words)))


def _filled(text: str, rng: np.random.Generator) -> str:
    if rng.random() > 1 / 3:
        return text
    extra = ", ".join(FILLERS[i] for i in rng.choice(len(FILLERS), rng.integers(1, 4)))
    return f"{text}, {extra}" if rng.random() < 0.7 else f"{extra}, {text}"


def tokenizer() -> CLIPTokenizer:
    """The CLIP tokenizer that every build starts from.

    Its merges were learned once, by the tokenizers library, from the values, templates and
    fillers above: each of their words is one token. Every byte is a token, so that any text can
    be read. It ships as a file because that learning breaks ties by chance.
    """
    return load_tokenizer(TOKENIZER)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The stored tokenizer."""
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
