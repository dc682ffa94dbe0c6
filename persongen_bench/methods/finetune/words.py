"""Textual inversion: vectors of a new word are trained, everything else stays untouched."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # the community's name

from persongen_bench.core.errors import ConfigError

WORD = "<user-taste>"
"""The placeholder; every user's adapter has vectors of its own for it."""

TEMPLATES = {
    "object": (
        "a picture of {word}",
        "one {word}",
        "{word} seen from the front",
        "a close view of {word}",
        "{word} somewhere in a scene",
        "a picture that shows {word}",
        "a bright image of {word}",
        "a plain drawing of {word}",
        "a good photo of {word}",
        "nothing but {word}",
    ),
    "style": (
        "a picture in the style of {word}",
        "an image in the manner of {word}",
        "{word} style",
        "something drawn as {word} would",
        "a scene after {word}",
        "a quick picture in {word} style",
        "a photo with the look of {word}",
        "a bright image, {word} style",
        "one thing in the style of {word}",
        "a design by {word}",
    ),
}
"""Sentences around the word, one of them drawn for every row of a batch."""


class ExtendedEmbedding(nn.Module):
    """A frozen table of token embeddings with trainable rows behind it.

    ``vectors``: ``(n, width)``, or ``(G, n, width)`` of G users, whose texts come user by user, as
    many of each.
    """

    def __init__(self, table: nn.Module, first: int, vectors: nn.Parameter) -> None:
        super().__init__()
        self.table, self.first, self.vectors = table, first, vectors

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids => embeddings; ids from ``first`` on are the trainable rows."""
        new = ids >= self.first
        rows: Tensor = self.table(ids.masked_fill(new, 0))
        wanted = (ids - self.first).clamp(min=0)
        if self.vectors.ndim == 3:
            n_users, n_vectors, _ = self.vectors.shape
            users = torch.arange(n_users, device=ids.device).repeat_interleave(len(ids) // n_users)
            wanted = wanted + n_vectors * users[:, None]
        own = F.embedding(wanted, self.vectors.flatten(0, -2)).to(rows.dtype)
        return torch.where(new[..., None], own, rows)


@contextmanager
def learnable(
    pipeline: Any,  # noqa: ANN401  # a diffusers pipeline
    initializer: str,
    n_vectors: int,
    n_users: int | None = None,
) -> Iterator[nn.Parameter]:
    """A pipeline that knows `WORD` inside the block; yields its float32 ``(n_vectors, width)``.

    With ``n_users`` the word is another one for each: ``(n_users, n_vectors, width)``.

    Tokenizer and embedding table are replaced, not changed, and put back afterwards. Every vector
    starts as the mean embedding of the ``initializer``'s tokens.
    """
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    table = encoder.get_input_embeddings()
    extended = copy.deepcopy(tokenizer)
    names = [WORD, *(f"{WORD}_{k}" for k in range(1, n_vectors))]
    if extended.add_tokens(names) != n_vectors:
        raise ConfigError(f"the tokenizer knows the word {WORD} already")
    start = _mean_embedding(tokenizer, table, initializer)
    shape = (n_vectors, 1) if n_users is None else (n_users, n_vectors, 1)
    vectors = nn.Parameter(start.float().repeat(shape))
    try:
        pipeline.tokenizer = extended
        encoder.set_input_embeddings(ExtendedEmbedding(table, len(tokenizer), vectors))
        yield vectors
    finally:
        encoder.set_input_embeddings(table)
        pipeline.tokenizer = tokenizer


def _mean_embedding(tokenizer: Any, table: nn.Module, words: str) -> Tensor:  # noqa: ANN401
    ids = tokenizer(words, add_special_tokens=False).input_ids
    if not ids:
        raise ConfigError(f"initializer {words!r} has no token", fix="Choose a known word.")
    device = next(table.parameters()).device
    with torch.no_grad():
        rows: Tensor = table(torch.tensor(ids, device=device))
        return rows.mean(dim=0, keepdim=True)
