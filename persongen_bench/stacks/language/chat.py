"""A causal language model with a chat template in the role ``llm``: greedy, row by row the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from persongen_bench.util.batching import blocks

BUCKET = 64
"""Prompts are padded on the left to a multiple of this, so that neighbours change no shape."""


class ChatModel:
    """Prompts to the likeliest answers; implements `LanguageModel`.

    Every call of the network has ``rows`` prompts of one padded length: an answer depends on its
    own prompt alone (`persongen_bench.util.batching`).
    """

    def __init__(self, model: Any, tokenizer: Any, signature: str, rows: int = 16) -> None:  # noqa: ANN401
        """``model``: a causal language model, ``tokenizer``: its own, with a chat template."""
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._rows = rows
        self.signature = f"{signature}|greedy|rows:{rows}|bucket:{BUCKET}|impl:1"

    @property
    def model(self) -> Any:  # noqa: ANN401  # a transformers causal language model
        """The network, on its device."""
        return self._model

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401  # a transformers tokenizer
        """Text to ids."""
        return self._tokenizer

    def template(self, prompt: str) -> str:
        """The prompt as the user's turn, up to where the answer begins."""
        turns = [{"role": "user", "content": prompt}]
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return text

    def reply(self, prompts: Sequence[str], max_new_tokens: int = 128) -> list[str]:
        """Greedy answers without special tokens; answer i from prompt i alone."""
        ids = [self._ids(prompt) for prompt in prompts]
        lengths: dict[int, list[int]] = defaultdict(list)
        for place, row in enumerate(ids):
            lengths[-(-len(row) // BUCKET) * BUCKET].append(place)
        answers: dict[int, str] = {}
        for length, places in lengths.items():
            for part in blocks(len(places), self._rows):
                chosen = places[part]
                said = self._answers([ids[place] for place in chosen], length, max_new_tokens)
                answers.update(zip(chosen, said, strict=True))
        return [answers[place] for place in range(len(prompts))]

    def _ids(self, prompt: str) -> list[int]:
        encoded = self._tokenizer(self.template(prompt), add_special_tokens=False)
        return [int(number) for number in encoded["input_ids"]]

    def _answers(self, rows: list[list[int]], length: int, max_new_tokens: int) -> list[str]:
        padded = rows + [rows[-1]] * (self._rows - len(rows))
        pad = self._tokenizer.pad_token_id
        device = next(self._model.parameters()).device
        ids = torch.tensor([[pad] * (length - len(row)) + row for row in padded], device=device)
        mask = torch.tensor(
            [[0] * (length - len(row)) + [1] * len(row) for row in padded], device=device
        )
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_new_tokens,
                do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None,
                repetition_penalty=1.0, pad_token_id=pad,
            )  # fmt: skip
        new = made[: len(rows), length:]
        texts: list[str] = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return [text.strip() for text in texts]
