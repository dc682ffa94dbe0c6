"""Rows of the text encoder's states that a frozen language model writes: PMG's multimodal tokens.

The model reads the keywords in its chat template behind a learned prefix (P-tuning v2: keys and
values of every layer) and before learned image-prompt tokens; its last hidden states at these
tokens go through one linear layer and stand behind the keywords' own states (P-Tuning v2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import DynamicCache

from persongen_bench.core.errors import ConfigError
from persongen_bench.core.language import LanguageModel

FILE = "soft_prompt.safetensors"
_START = 0.02
"""Deviation of the first prefix and tokens, as language models start their own."""


class SoftPrompt(nn.Module):
    """Prefix, image-prompt tokens and the layer to the text encoder's width."""

    def __init__(
        self,
        llm: Any,  # noqa: ANN401  # a transformers causal language model
        n_prefix: int,
        n_tokens: int,
        width: int,
        generator: torch.Generator,
    ) -> None:
        """``width``: of the text encoder; the first numbers are the generator's."""
        super().__init__()
        config = llm.config
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._shape = (config.num_hidden_layers, 2, config.num_key_value_heads, n_prefix, head)
        size = config.hidden_size
        self.prefix = nn.Parameter(_START * torch.randn(self._shape, generator=generator))
        self.tokens = nn.Parameter(_START * torch.randn(n_tokens, size, generator=generator))
        self.output = nn.Linear(size, width)
        weight = torch.randn(width, size, generator=generator) / size**0.5
        self.output.load_state_dict({"weight": weight, "bias": torch.zeros(width)})

    def forward(self, llm: Any, ids: Tensor, mask: Tensor) -> Float[Tensor, "b n width"]:  # noqa: ANN401
        """Rows for texts ``ids, mask (b, t)``, padded on the left; gradients reach this alone."""
        n_rows, n_tokens, dtype = len(ids), len(self.tokens), llm.dtype
        words = llm.get_input_embeddings()(ids)
        tokens = self.tokens.to(words).expand(n_rows, -1, -1)
        ahead = mask.new_ones(n_rows, self._shape[3])
        attended = torch.cat([ahead, mask, mask.new_ones(n_rows, n_tokens)], dim=1)
        places = (attended.cumsum(dim=1) - 1).clamp(min=0)[:, self._shape[3] :]
        states = llm.model(
            inputs_embeds=torch.cat([words, tokens], dim=1).to(dtype),
            attention_mask=attended, position_ids=places,
            past_key_values=self._cache(n_rows, dtype), use_cache=True,
        ).last_hidden_state  # fmt: skip
        rows: Tensor = self.output(states[:, -n_tokens:].float())
        return rows

    def _cache(self, n_rows: int, dtype: torch.dtype) -> DynamicCache:
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self.prefix.to(dtype)):
            shape = (n_rows, *keys.shape)
            cache.update(keys.expand(shape), values.expand(shape), layer)
        return cache

    def save(self, folder: Path) -> None:
        """Write the learned numbers in float32."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.named_parameters()}
        save_file(state, folder / FILE)

    def load(self, folder: Path) -> None:
        """Read them back; raises `ConfigError` for a file of another shape."""
        try:
            self.load_state_dict(load_file(folder / FILE))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ConfigError(
                f"{folder / FILE}: not this soft prompt ({error})", fix="Fit again."
            ) from None


def read_texts(llm: LanguageModel, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Texts in the chat template as ``ids, mask (b, t)``, padded on the left."""
    encoded = llm.tokenizer(
        [llm.template(text) for text in texts],
        add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt",
    )  # fmt: skip
    device = llm.model.device
    return encoded["input_ids"].to(device), encoded["attention_mask"].to(device)
