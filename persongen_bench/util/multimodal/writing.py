"""Drawing visual tokens one by one, each row from its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from persongen_bench.core.language import Codes, WriteOptions
from persongen_bench.util.multimodal.layout import PictureLayout
from persongen_bench.util.multimodal.prompts import Row


class Stepper:
    """A model that reads rows of equal length and then one token per row after another.

    ``without``: read every row a second time with its guided pictures hidden from the attention;
    they keep their positions.
    """

    def __init__(self, model: Any, rows: Sequence[Row], *, without: bool = False) -> None:  # noqa: ANN401
        self._model, self._copies = model, 2 if without else 1
        embeddings = torch.stack([row.embeddings for row in rows])
        seen = ~torch.stack([row.hidden for row in rows])
        kept = seen & ~torch.stack([row.guided for row in rows])
        self._mask = torch.cat([seen, kept] if without else [seen]).long()
        place = torch.arange(embeddings.shape[1], device=embeddings.device)
        self._next = embeddings.shape[1]
        self._cache: Any = None
        self.logits = self._read(
            torch.cat([embeddings] * self._copies), place.expand(len(self._mask), -1)
        )

    def feed(self, embeddings: Float[Tensor, "b k d"]) -> None:
        """Read ``k`` more tokens per row; `logits` is then what comes after them."""
        k = embeddings.shape[1]
        ones = self._mask.new_ones(len(self._mask), k)
        self._mask = torch.cat([self._mask, ones], dim=1)
        place = torch.arange(self._next, self._next + k, device=embeddings.device)
        self._next += k
        self.logits = self._read(
            torch.cat([embeddings] * self._copies), place.expand(len(self._mask), -1)
        )

    def _read(self, embeddings: Tensor, place: Tensor) -> Float[Tensor, "copies_b v"]:
        output = self._model(
            inputs_embeds=embeddings, attention_mask=self._mask, position_ids=place,
            past_key_values=self._cache, use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        self._cache = output.past_key_values
        logits: Tensor = output.logits[:, -1].float()
        return logits


@dataclass(frozen=True)
class Writer:
    """Draws whole pictures after rows of equal length."""

    model: Any
    layout: PictureLayout
    options: WriteOptions

    def write(self, rows: Sequence[Row], seeds: Sequence[int]) -> Int[np.ndarray, "b t"]:
        """Codes ``(b, n_tokens)``; row i from ``rows[i]`` and ``seeds[i]``.

        Every row brings the ids that open a picture.
        """
        stepper = Stepper(self.model, rows, without=self.options.guidance_scale != 1)
        chances = [np.random.default_rng(seed).random(self.layout.n_tokens) for seed in seeds]
        layer = self.model.get_input_embeddings()
        written: list[Codes] = []
        for place, codes in enumerate(self.layout.allowed):
            if place:
                ends = self.layout.ends_before(place)
                last = torch.from_numpy(written[-1] + self.layout.first_code)[:, None]
                more = torch.tensor(ends, dtype=torch.long).expand(len(rows), -1)
                stepper.feed(layer(torch.cat([last, more], dim=1).to(layer.weight.device)))
            scores = self._scores(stepper.logits, codes)
            written.append(codes.start + _draw(scores, np.array([c[place] for c in chances])))
        return np.stack(written, axis=1)

    def _scores(self, logits: Float[Tensor, "b v"], codes: range) -> Float[np.ndarray, "b k"]:
        """Log-probabilities of the codes that may come, as the options change them."""
        scores = allowed_scores(logits, self.layout, codes).cpu().double().numpy()
        if self.options.guidance_scale != 1:
            given, without = np.split(scores, 2)
            scores = without + self.options.guidance_scale * (given - without)
        if self.options.temperature == 0:
            best = scores == scores.max(axis=1, keepdims=True)
            first = best & (best.cumsum(axis=1) == 1)
            return np.where(first, 0.0, -np.inf)
        if self.options.top_k is not None and self.options.top_k < scores.shape[1]:
            kept = np.sort(scores, axis=1)[:, [-self.options.top_k]]
            scores = np.where(scores >= kept, scores, -np.inf)
        return np.asarray(scores / self.options.temperature)


def allowed_scores(
    logits: Float[Tensor, "*b v"], layout: PictureLayout, codes: range
) -> Float[Tensor, "*b k"]:
    """Log-probabilities among the codes that may stand at a place."""
    part = logits[..., layout.first_code + codes.start : layout.first_code + codes.stop]
    return part.float().log_softmax(dim=-1)


def _draw(scores: Float[np.ndarray, "b k"], chances: Float[np.ndarray, " b"]) -> Codes:
    """One code per row by the inverse of its distribution function."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = odds.cumsum(axis=1)
    drawn = (shares <= chances[:, None] * shares[:, -1:]).sum(axis=1)
    return np.asarray(np.minimum(drawn, scores.shape[1] - 1), dtype=np.int64)


def by_length(rows: Sequence[Row], size: int) -> Iterator[tuple[list[int], list[int]]]:
    """Blocks of rows of one length: their numbers, and the same filled up to ``size``.

    A row's result then depends on the row alone (`persongen_bench.util.batching`): nothing is
    padded, and every call has as many rows.
    """
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(len(row.embeddings), []).append(number)
    for numbers in groups.values():
        for start in range(0, len(numbers), size):
            part = numbers[start : start + size]
            yield part, part + [part[-1]] * (size - len(part))
