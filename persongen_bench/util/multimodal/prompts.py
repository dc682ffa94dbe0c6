"""Prompts of words, pictures and vectors as rows of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from persongen_bench.core.language import Codes, PicturePart, PromptPart
from persongen_bench.util.multimodal.layout import PictureLayout

LIKES = "The user likes the following images:"
"""Opens the history (Pigeon, paper 003, eq. 7: the words that its prompt names)."""
REFERENCE = "The reference image:"
"""Opens what the new picture must show."""
CAPTION = "Describe it:"
"""Asks for words where a picture would come."""


def wish(
    history: Sequence[Codes], text: str = "", reference: Codes | None = None
) -> list[PromptPart]:
    """The user's pictures, then the words for the wanted one, its reference picture, or both.

    Guidance moves away from a prompt without the history; the reference stays in both.
    """
    parts: list[PromptPart] = [LIKES, *map(PicturePart, history)] if history else []
    if text or reference is not None:
        parts.append(f"{REFERENCE} {text}".strip())
    if reference is not None:
        parts.append(PicturePart(reference, guided=False))
    return parts


@dataclass(frozen=True)
class Row:
    """One prompt."""

    embeddings: Float[Tensor, "l d"]
    guided: Bool[Tensor, " l"]
    """Which of them belong to pictures that guidance leaves out."""
    hidden: Bool[Tensor, " l"]
    """Which of them nothing attends to."""


@dataclass(frozen=True)
class PromptEmbedder:
    """Turns the parts of prompts into rows of embeddings."""

    model: Any
    """A transformers causal language model."""
    tokenizer: Any
    layout: PictureLayout

    def row(self, prompt: Sequence[PromptPart], then: Sequence[int] = ()) -> Row:
        """A prompt, and the ids ``then`` behind it."""
        start = self.tokenizer.bos_token_id
        parts = [self.ids([] if start is None else [start]), *map(self._piece, prompt)]
        parts.append(self.ids(then))
        pictures = [None, *(p if isinstance(p, PicturePart) else None for p in prompt), None]
        guided = [p is not None and p.guided for p in pictures]
        hidden = [p is not None and p.hidden for p in pictures]
        return Row(torch.cat(parts), _spread(guided, parts), _spread(hidden, parts))

    def ids(self, ids: Sequence[int]) -> Float[Tensor, "l d"]:
        """Embeddings of ids."""
        layer = self.model.get_input_embeddings()
        rows: Tensor = layer(torch.tensor(list(ids), dtype=torch.long, device=layer.weight.device))
        return rows

    def text_ids(self, text: str) -> list[int]:
        """The ids of words, without markers."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _piece(self, part: PromptPart) -> Float[Tensor, "l d"]:
        if isinstance(part, str):
            return self.ids(self.text_ids(part))
        if isinstance(part, PicturePart):
            return self._picture(part)
        like = self.model.get_input_embeddings().weight
        if not isinstance(part, Tensor) or part.ndim != 2 or part.shape[1] != like.shape[1]:
            raise ValueError(f"a part of a prompt is words, a PicturePart or a tensor "
                             f"(k, {like.shape[1]}), not {type(part).__name__}")  # fmt: skip
        return part.to(like.device, like.dtype)

    def _picture(self, part: PicturePart) -> Float[Tensor, "l d"]:
        rows = self.ids(self.layout.ids(part.codes))
        if part.keep is None:
            return rows
        if tuple(part.keep.shape) != (len(part.codes),):
            raise ValueError(f"keep has shape {tuple(part.keep.shape)} for {len(part.codes)} codes")
        start = len(self.layout.before)
        places = [start + place for place in self.layout.places(len(part.codes))]
        scale = torch.ones(len(rows), dtype=rows.dtype, device=rows.device)
        index = torch.tensor(places, dtype=torch.long, device=rows.device)
        scale = scale.index_put((index,), part.keep.to(rows.device, rows.dtype))
        return rows * scale[:, None]


def _spread(flags: Sequence[bool], parts: Sequence[Tensor]) -> Bool[Tensor, " l"]:
    """The flag of every part, once for each of its rows."""
    device = parts[0].device
    each = [torch.full((len(p),), f, device=device) for f, p in zip(flags, parts, strict=True)]
    return torch.cat(each)


@dataclass(frozen=True)
class Batch:
    """Rows of any lengths side by side, zeros before the shorter ones."""

    embeddings: Float[Tensor, "b l d"]
    mask: Int[Tensor, "b l"]
    """0 before a row begins and where it is hidden."""
    positions: Int[Tensor, "b l"]
    """They count from the first token of a row, so that padding moves nothing."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Batch:
        """Pad on the left."""
        lengths = [len(row.embeddings) for row in rows]
        gaps = [max(lengths) - n for n in lengths]
        padded = [
            torch.cat([row.embeddings.new_zeros(gap, row.embeddings.shape[1]), row.embeddings])
            for row, gap in zip(rows, gaps, strict=True)
        ]
        seen = [
            torch.cat([row.hidden.new_zeros(gap), ~row.hidden])
            for row, gap in zip(rows, gaps, strict=True)
        ]
        place = torch.arange(max(lengths), device=padded[0].device)
        starts = torch.tensor(gaps, device=padded[0].device)
        return cls(
            torch.stack(padded),
            torch.stack(seen).long(),
            (place[None] - starts[:, None]).clamp(min=0),
        )
