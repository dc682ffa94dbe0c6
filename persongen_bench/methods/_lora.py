"""What every LoRA inside a model of the stack shares: it goes without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft.tuners.lora import LoraLayer

from persongen_bench.core.errors import RunError


@contextmanager
def without_trace(model: Any, name: str) -> Iterator[None]:  # noqa: ANN401  # any torch module
    """LoRAs that are put into ``model`` inside the block are out of it afterwards.

    Its layers, its attributes and which of its weights take gradients are then what they were.
    `RunError` where it carries a LoRA already; ``name`` is what the message calls it.
    """
    layers = dict(model.named_modules())
    if any(isinstance(layer, LoraLayer) for layer in layers.values()):
        raise RunError(f"the {name} carries a LoRA already", fix="Take it out before training.")
    attributes = set(vars(model))
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for place, layer in list(model.named_modules()):
            if isinstance(layer, LoraLayer):
                parent, _, child = place.rpartition(".")
                setattr(model.get_submodule(parent), child, layers[place])
        for attribute in set(vars(model)) - attributes:
            delattr(model, attribute)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
