"""Low-rank updates of the language model's attention, put in and taken out without a trace."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import peft
import torch
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from persongen_bench.core.errors import RunError
from persongen_bench.methods._lora import without_trace
from persongen_bench.methods.tuning.config import TuningConfig

TARGETS = r"(?!.*(?:vq|vision|visual))(?:.*\.)?layers\.\d+\.self_attn\.[qv]_proj"
"""Query and value projections of the language model, never of a picture model beside it."""
POLICY, REFERENCE = "policy", "reference"
"""The adapter that learns, and stage 1's as it was."""


@dataclass(frozen=True)
class Adapters:
    """The LoRAs inside a model."""

    model: Any
    layers: tuple[Any, ...]

    def use(self, name: str) -> None:
        """Let one of them work; no gradient reaches the others."""
        for layer in self.layers:
            layer.set_adapter(name)

    def parameters(self, name: str = POLICY) -> list[nn.Parameter]:
        """float32 matrices A and B of every projection."""
        parts = (
            part[name].weight for layer in self.layers for part in (layer.lora_A, layer.lora_B)
        )
        return list(parts)

    def state(self, name: str = POLICY) -> dict[str, Tensor]:
        """The matrices as peft names them, on the CPU."""
        state = get_peft_model_state_dict(self.model, adapter_name=name)
        return {key: value.detach().float().cpu().clone() for key, value in state.items()}

    def load(self, state: Mapping[str, Tensor], name: str = POLICY) -> None:
        """Take over what `state` returned; `RunError` where it is another model's."""
        try:
            result = set_peft_model_state_dict(self.model, dict(state), adapter_name=name)
        except RuntimeError as error:
            raise RunError(f"the LoRA does not fit this model ({error})") from None
        if result.unexpected_keys or len(state) != 2 * len(self.layers):
            raise RunError("the LoRA is that of another model", fix="Fit the method again.")

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Dropout on the inputs of the updates, as in stage 1."""
        parts = [part for layer in self.layers for part in layer.lora_dropout.values()]
        try:
            for part in parts:
                part.train()
            yield
        finally:
            for part in parts:
                part.eval()


@contextmanager
def injected(
    model: Any,  # noqa: ANN401  # a transformers causal language model
    config: TuningConfig,
    seed: int = 0,
    names: Sequence[str] = (POLICY,),
) -> Iterator[Adapters]:
    """The model with fresh LoRAs inside the block, without any trace of them afterwards.

    A is uniform within 1 / sqrt(width) from ``seed``, B is 0: the model starts as it was. Its own
    weights take no gradient meanwhile. `RunError` where it carries a LoRA already.
    """
    with without_trace(model, "language model"):
        model.requires_grad_(False)
        for name in names:
            _inject(model, config, name)
        adapters = Adapters(model, tuple(m for m in model.modules() if isinstance(m, LoraLayer)))
        for name in names:
            _start(adapters, name, seed)
        adapters.use(POLICY)
        yield adapters


def _inject(model: Any, config: TuningConfig, name: str) -> None:  # noqa: ANN401
    alpha: Any = config.alpha
    described = peft.LoraConfig(
        r=config.rank, lora_alpha=alpha, lora_dropout=config.lora_dropout, target_modules=TARGETS
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft draws from the global generator, and what it draws is overwritten later; a second
        # adapter makes it wonder.
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")
        peft.inject_adapter_in_model(described, model, name)


def _start(adapters: Adapters, name: str, seed: int) -> None:
    """Own initial values in float32, and no dropout until it is asked for."""
    generator = torch.Generator().manual_seed(seed)
    for layer in adapters.layers:
        down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
        width = down.shape[1]
        start = (torch.rand(down.shape, generator=generator) * 2 - 1) / width**0.5
        down.data = start.to(down.device)
        up.data = torch.zeros(up.shape, device=up.device)
        layer.lora_dropout[name].eval()
