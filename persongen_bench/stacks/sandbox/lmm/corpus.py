"""What the multimodal model reads while it is trained: captions, and documents with a theme.

Data of people alone are memorised and do not teach a model to look at the pictures of a prompt.
A theme document does: its pictures' attributes follow one random concentrated distribution, and
the last picture takes from it what the words leave open. No person has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from persongen_bench.core.language import Codes, PicturePart, PromptPart
from persongen_bench.stacks.sandbox import words
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.prompts import CAPTION, wish
from persongen_bench.worlds.tasteworld.attributes import COUNTS, NAMES, Scenes, caption, decode
from persongen_bench.worlds.tasteworld.content import CONTENT, subjects

N_HISTORY = 5
"""Pictures of a document before the last, at most."""
_WORD_WEIGHT, _REST_WEIGHT = 1.0, 0.2
_SPREAD = (0.05, 3.0)
_CONTENT = np.isin(NAMES, CONTENT)

Ids = Callable[[str], list[int]]


@dataclass(frozen=True)
class Line:
    """One sequence."""

    ids: list[int]
    weights: list[float]
    """Of the loss of each id, given those before it."""
    guided: list[bool]
    """Whether it belongs to a picture of the history."""


@dataclass(frozen=True)
class Corpus:
    """Pictures whose codes are known, and the words for them."""

    scenes: Scenes
    codes: Int[np.ndarray, "n places"]
    layout: PictureLayout
    text_ids: Ids
    start: int
    end: int

    def captions(self, n: int, rng: np.random.Generator) -> list[Line]:
        """Words, then a picture that they describe, in whole or in part."""
        rows = rng.integers(0, len(self.scenes), n)
        texts, _ = words.describe(self.scenes[rows], rng, partial=0.3)
        prompts = [wish([], text) if rng.random() < 0.5 else [text] for text in texts]
        return [self._line(p, self.codes[row]) for p, row in zip(prompts, rows, strict=True)]

    def descriptions(self, n: int, rng: np.random.Generator) -> list[Line]:
        """A picture, then words for it."""
        rows = rng.integers(0, len(self.scenes), n)
        return [
            self._line([PicturePart(self.codes[row], guided=False), CAPTION],
                       caption(self.scenes[row]))
            for row in rows
        ]  # fmt: skip

    def themes(self, n: int, rng: np.random.Generator) -> list[Line]:
        """Documents with a theme; a fifth ends in words for the last picture."""
        return [self._theme(rng) for _ in range(n)]

    def _theme(self, rng: np.random.Generator) -> Line:
        odds = _theme_odds(rng)
        history = self._pick(odds, int(rng.integers(1, N_HISTORY + 1)), rng)
        named = _named(rng)
        free = [np.where(named[k], 0.0, row) for k, row in enumerate(odds)]
        (target,) = self._pick(free, 1, rng)
        prompt = wish([self.codes[row] for row in history], *self._reference(target, named, rng))
        if rng.random() < 0.2:
            return self._line([*prompt, CAPTION], caption(self.scenes[target]))
        return self._line(prompt, self.codes[target])

    def _reference(
        self, target: int, named: Bool[np.ndarray, " 5"], rng: np.random.Generator
    ) -> tuple[str, Codes | None]:
        """Words for what is named, a picture that shows it, or both."""
        scene = self.scenes[target]
        text = _words_for(scene, named, rng)
        if not (named == _CONTENT).all() or rng.random() < 0.6:
            return text, None
        alike = np.flatnonzero((self.scenes[:, named] == scene[named]).all(axis=1))
        others = alike[alike != target]
        if not len(others):
            return text, None
        return (text if rng.random() < 0.5 else ""), self.codes[int(rng.choice(others))]

    def _pick(
        self, odds: Sequence[Float[np.ndarray, " values"]], n: int, rng: np.random.Generator
    ) -> list[int]:
        """``n`` different pictures whose attributes follow log-odds (Gumbel top-n)."""
        keys = rng.gumbel(size=len(self.scenes))
        for column, row in zip(self.scenes.T, odds, strict=True):
            keys += row[column]
        best = np.argpartition(keys, -n)[-n:]
        return [int(row) for row in best[keys[best].argsort()[::-1]]]

    def _line(self, prompt: Sequence[PromptPart], answer: Codes | str) -> Line:
        ids, weights, guided = [self.start], [0.0], [False]
        for part in prompt:
            pictured = isinstance(part, PicturePart)
            more = self.layout.ids(part.codes) if pictured else self.text_ids(part)
            told = part.guided if pictured else False
            ids += more
            weights += self._weights(more) if told else [0.0] * len(more)
            guided += [told] * len(more)
        more = (
            [*self.text_ids(answer), self.end]
            if isinstance(answer, str)
            else self.layout.ids(answer)
        )
        weights += [1.0] * len(more) if isinstance(answer, str) else self._weights(more)
        return Line(ids + more, weights, guided + [False] * len(more))

    def _weights(self, ids: Sequence[int]) -> list[float]:
        """Words of a picture count fully, the rest of it less, its markers not at all."""
        first = self.layout.first_code
        rest = first + sum(COUNTS)
        return [
            0.0 if i < first or i >= first + self.layout.n_codes
            else _WORD_WEIGHT if i < rest else _REST_WEIGHT
            for i in ids
        ]  # fmt: skip


def _theme_odds(rng: np.random.Generator) -> list[Float[np.ndarray, " values"]]:
    """Log-probabilities of the values of each attribute; some attributes vary, some hardly."""
    odds = []
    for n in COUNTS:
        spread = np.exp(rng.uniform(*np.log(_SPREAD)))
        odds.append(np.log(np.maximum(rng.dirichlet(np.full(n, spread)), 1e-6)))
    return odds


def _named(rng: np.random.Generator) -> Bool[np.ndarray, " 5"]:
    """Which attributes the words tell: mostly the content, else any, or none."""
    draw = rng.random()
    if draw < 0.65:
        return _CONTENT
    if draw < 0.75:
        return np.zeros(len(NAMES), dtype=bool)
    return np.asarray(rng.random(len(NAMES)) < rng.uniform(0.2, 1.0))


def _words_for(
    scene: Int[np.ndarray, " 5"], named: Bool[np.ndarray, " 5"], rng: np.random.Generator
) -> str:
    if (named == _CONTENT).all() and rng.random() < 0.7:
        return subjects(scene[None])[0]
    (values,) = decode(scene[None])
    said = [value for value, tell in zip(values, named, strict=True) if tell]
    return (", ", " ")[int(rng.integers(2))].join(said[k] for k in rng.permutation(len(said)))
