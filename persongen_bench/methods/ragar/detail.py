"""The detailed feature D: a language model with special tokens, and the mapper (eq. 7, 8)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.language import LanguageModel
from persongen_bench.methods.ragar.config import GeneratorConfig
from persongen_bench.methods.ragar.mapper import MapperShape, ModalMapper


class Detailed(NamedTuple):
    """What the language model says about requests, in the decoder's prompt space."""

    whole: Float[Tensor, "b rows width"]
    """D: the text part, projected, above the mapper's rows (eq. 8)."""
    mapped: Float[Tensor, "b q width"]
    """M: the mapper's rows alone."""


class DetailedFeatures(nn.Module):
    """Prompts to detailed features.

    The special tokens stand where the answer would. Their rows belong to this module: the
    language model's own table stays as it is. A language model that is trained is a copy and part
    of the module; a frozen one is the stack's, and no part of its state.
    """

    def __init__(self, llm: LanguageModel, shape: tuple[int, int], config: GeneratorConfig) -> None:
        """``shape``: rows and width of the decoder's prompt states."""
        super().__init__()
        rows, width = shape
        if config.n_text_rows >= rows:
            raise ConfigError(
                f"n_text_rows={config.n_text_rows} leaves no row of {rows} to the mapper",
                fix=f"Use at most {rows - 1}.",
            )
        self._llm, self.n_text_rows = llm, config.n_text_rows
        base = llm.model.base_model
        if config.trained == "all":
            self.language = copy.deepcopy(base).float().requires_grad_(requires_grad=True)
        else:
            self._borrowed = (base,)  # in a tuple, so that it is not registered
        table = base.get_input_embeddings().weight.detach().float().cpu()
        size = table.shape[1]
        drawn = nn.init.normal_(torch.empty(config.n_special_tokens, size))
        self.tokens = nn.Parameter(table.mean(0) + table.std(0) * drawn)
        self.text = nn.Linear(size, width)
        self.mapper = ModalMapper(
            MapperShape(
                size, rows - config.n_text_rows, width,
                config.mapper_size, config.mapper_layers, config.mapper_heads,
            )
        )  # fmt: skip

    @property
    def base(self) -> Any:  # noqa: ANN401  # a transformers model without its head
        """The language model, trained or borrowed."""
        return self.language if hasattr(self, "language") else self._borrowed[0]

    def forward(self, prompts: Sequence[str]) -> Detailed:
        """One feature per prompt; prompts of one call are padded to the longest."""
        ids, mask = self._ids(prompts)
        words = self.base.get_input_embeddings()(ids)
        tokens = self.tokens.to(words).expand(len(prompts), -1, -1)
        mask = torch.cat([mask, mask.new_ones(len(prompts), len(self.tokens))], dim=1)
        hidden = self.base(
            inputs_embeds=torch.cat([words, tokens], dim=1),
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
        ).last_hidden_state.to(self.tokens)
        n = len(self.tokens)
        mapped = self.mapper(hidden[:, -n:] + self.tokens)
        return Detailed(torch.cat([self._text_rows(hidden[:, :-n], mask), mapped], dim=1), mapped)

    def _text_rows(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """The last words' states, projected; zeros in place of words that a short prompt lacks."""
        n = self.n_text_rows
        if n == 0:
            return self.text(hidden[:, :0])  # type: ignore[no-any-return]  # torch
        kept = mask[:, : hidden.shape[1], None].to(hidden)
        short = max(0, n - hidden.shape[1])
        rows = nn.functional.pad(self.text(hidden) * kept, (0, 0, short, 0))
        return rows[:, -n:]

    def _ids(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids and mask, padded on the left."""
        tokenizer = self._llm.tokenizer
        texts = [self._llm.template(prompt) for prompt in prompts]
        rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        longest = max(map(len, rows))
        device = next(self.base.parameters()).device
        ids = [[0] * (longest - len(row)) + list(row) for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@contextmanager
def frozen_language(model: Any) -> Iterator[None]:  # noqa: ANN401  # a transformers model
    """No weight of the stack's language model takes a gradient inside; then all is as before."""
    flags = [(weight, weight.requires_grad) for weight in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.requires_grad_(False).eval()
        yield
    finally:
        for weight, flag in flags:
            weight.requires_grad_(flag)
        for module, training in modes:
            module.training = training
