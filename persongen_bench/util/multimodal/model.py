"""A causal language model whose vocabulary holds visual tokens, and the codec of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from persongen_bench.core.language import Codes, PromptPart, WriteOptions
from persongen_bench.core.types import Image
from persongen_bench.util.multimodal.layout import PictureLayout, checked
from persongen_bench.util.multimodal.prompts import Batch, PromptEmbedder, Row
from persongen_bench.util.multimodal.writing import Stepper, Writer, allowed_scores, by_length


class PictureCodec(Protocol):
    """Pictures to visual tokens and back."""

    signature: str

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """Visual tokens of each picture; the same picture always gives the same ones."""
        ...

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:
        """One picture per row of tokens; picture i from ``codes[i]`` and ``seeds[i]`` alone."""
        ...


class TokenModel:
    """Implements `MultimodalModel` for any transformers causal model that takes embeddings.

    ``rows``: rows of every network call that writes; see `by_length`. ``weights`` names the
    model's weights in the signature.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # a transformers causal language model
        tokenizer: Any,  # noqa: ANN401  # a transformers tokenizer
        layout: PictureLayout,
        codec: PictureCodec,
        weights: str,
        rows: int = 16,
    ) -> None:
        self._model = model.eval().requires_grad_(False)
        self._tokenizer, self.layout, self._codec, self._rows = tokenizer, layout, codec, rows
        self._prompts = PromptEmbedder(model, tokenizer, layout)
        dtype = str(model.dtype).removeprefix("torch.")
        self.signature = (
            f"{type(model).__name__}|weights:{weights}|dtype:{dtype}|rows:{rows}"
            f"|codec:({codec.signature})|impl:1"
        )

    @property
    def n_codes(self) -> int:
        """Different visual tokens."""
        return self.layout.n_codes

    @property
    def n_tokens(self) -> int:
        """Visual tokens of a picture."""
        return self.layout.n_tokens

    @property
    def allowed(self) -> tuple[range, ...]:
        """The codes that may stand at each place of a picture."""
        return self.layout.allowed

    @property
    def model(self) -> Any:  # noqa: ANN401  # a transformers causal language model
        """For methods that train adapters; they leave it as it was."""
        return self._model

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # a transformers tokenizer
        """Text to ids."""
        return self._tokenizer

    def tokenize(self, images: Sequence[Image]) -> list[Codes]:
        """Visual tokens of each picture."""
        return self._codec.tokenize(images)

    def draw(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Image]:
        """One picture per row of tokens; `ValueError` for codes that make no whole picture."""
        for row in codes:
            self._whole(row)
        return self._codec.draw(codes, seeds)

    def embed(
        self, prompts: Sequence[Sequence[PromptPart]]
    ) -> tuple[Float[Tensor, "b l d"], Int[Tensor, "b l"]]:
        """Prompts as embeddings and their mask, padded on the left."""
        batch = Batch.of([self._prompts.row(prompt) for prompt in prompts])
        return batch.embeddings, batch.mask

    @torch.no_grad()
    def write(
        self,
        prompts: Sequence[Sequence[PromptPart]],
        seeds: Sequence[int],
        options: WriteOptions = WriteOptions(),  # noqa: B008  # frozen
    ) -> list[Codes]:
        """Visual tokens of a new picture after each prompt."""
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts, but {len(seeds)} seeds")
        rows = [self._prompts.row(prompt, self.layout.before) for prompt in prompts]
        writer, written = Writer(self._model, self.layout, options), dict[int, Codes]()
        for part, filled in by_length(rows, self._rows):
            codes = writer.write([rows[k] for k in filled], [seeds[k] for k in filled])
            written |= dict(zip(part, codes, strict=False))
        return [written[k] for k in range(len(prompts))]

    def log_probabilities(
        self, prompts: Sequence[Sequence[PromptPart]], codes: Sequence[Codes]
    ) -> Float[Tensor, "b n_tokens"]:
        """What `write` draws from at temperature 1 without guidance, for given codes."""
        inner = [self.layout.inner(self._fitting(row)) for row in codes]
        rows = [
            self._prompts.row(prompt, [*self.layout.before, *ids[:-1]])
            for prompt, ids in zip(prompts, inner, strict=True)
        ]
        logits = self._logits(rows)
        starts = torch.tensor([logits.shape[1] - max(len(ids), 1) for ids in inner])
        columns = [
            self._column(logits, starts + place, [(k, int(row[n])) for k, row in enumerate(codes)
                                                  if len(row) > n], allowed)
            for n, (place, allowed) in enumerate(
                zip(self.layout.places(self.n_tokens), self.allowed, strict=True)
            )
        ]  # fmt: skip
        return torch.stack(columns, dim=1)

    def _column(
        self,
        logits: Float[Tensor, "b l v"],
        places: Int[Tensor, " b"],
        codes: Sequence[tuple[int, int]],
        allowed: range,
    ) -> Float[Tensor, " b"]:
        """Log-probabilities of one place, for the rows that have a code there; 0 for others."""
        column = logits.new_zeros(len(logits))
        if not codes:
            return column
        rows, wanted = torch.tensor(codes, device=logits.device).unbind(dim=1)
        scores = allowed_scores(logits[rows, places.to(rows.device)[rows]], self.layout, allowed)
        said = scores.gather(1, (wanted - allowed.start)[:, None])[:, 0]
        return column.index_put((rows,), said)

    @torch.no_grad()
    def say(self, prompts: Sequence[Sequence[PromptPart]], max_new_tokens: int = 64) -> list[str]:
        """The likeliest words after each prompt, up to the end that the model sets."""
        rows = [self._prompts.row(prompt) for prompt in prompts]
        said: dict[int, str] = {}
        for part, filled in by_length(rows, self._rows):
            ids = self._say([rows[k] for k in filled], max_new_tokens)
            texts = [self._tokenizer.decode(row, skip_special_tokens=True) for row in ids]
            said |= dict(zip(part, texts, strict=False))
        return [said[k].strip() for k in range(len(prompts))]

    def word_log_probabilities(
        self, prompts: Sequence[Sequence[PromptPart]], texts: Sequence[str]
    ) -> Float[Tensor, " b"]:
        """Log-probability of each text and its end, among the ids that `say` may choose."""
        end = self._tokenizer.eos_token_id
        told = [[*self._prompts.text_ids(text), end] for text in texts]
        rows = [
            self._prompts.row(prompt, ids[:-1]) for prompt, ids in zip(prompts, told, strict=True)
        ]
        logits = self._logits(rows)
        sums = []
        for row, ids in zip(logits, told, strict=True):
            scores = self._words_only(row[-len(ids) :]).log_softmax(dim=-1)
            wanted = torch.tensor(ids, device=scores.device)
            sums.append(scores.gather(1, wanted[:, None]).sum())
        return torch.stack(sums)

    def _words_only(self, logits: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """Minus infinity on everything that belongs to a picture."""
        barred = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
        barred[self.layout.first_code : self.layout.first_code + self.n_codes] = True
        barred[list(self.layout.before[:1])] = True
        return logits.masked_fill(barred, -torch.inf)

    def _say(self, rows: Sequence[Row], n: int) -> list[list[int]]:
        stepper, layer = Stepper(self._model, rows), self._model.get_input_embeddings()
        end = self._tokenizer.eos_token_id
        said: list[list[int]] = [[] for _ in rows]
        open_rows = set(range(len(rows)))
        for _ in range(n):
            chosen = self._words_only(stepper.logits).argmax(dim=1)
            open_rows -= {k for k in open_rows if int(chosen[k]) == end}
            for k in open_rows:
                said[k].append(int(chosen[k]))
            if not open_rows:
                break
            stepper.feed(layer(chosen[:, None]))
        return said

    def _logits(self, rows: Sequence[Row]) -> Float[Tensor, "b l v"]:
        batch = Batch.of(rows)
        output = self._model(
            inputs_embeds=batch.embeddings, attention_mask=batch.mask,
            position_ids=batch.positions, use_cache=False,
        )  # fmt: skip
        logits: Tensor = output.logits.float()
        return logits

    def _fitting(self, codes: Codes) -> Codes:
        row = checked(codes, self.n_codes)
        wrong = [place for place, code in enumerate(row.tolist())
                 if place >= self.n_tokens or code not in self.allowed[place]]  # fmt: skip
        if wrong:
            raise ValueError(f"code {row[wrong[0]]} cannot stand at place {wrong[0]} of a picture")
        return row

    def _whole(self, codes: Codes) -> None:
        if len(self._fitting(codes)) != self.n_tokens:
            raise ValueError(f"a picture has {self.n_tokens} visual tokens, not {len(codes)}")
