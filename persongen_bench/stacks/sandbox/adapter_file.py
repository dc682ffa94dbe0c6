"""An IP-Adapter in the published file format: a projection to four tokens, and keys and values.

The file counts the cross-attentions of the denoiser with odd numbers, in their order.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

NAME = "ip-adapter_sandbox.safetensors"
N_IMAGE_TOKENS = 4


def load_fresh(model: Any, embedding_size: int) -> None:  # noqa: ANN401  # a UNet2DConditionModel
    """Put an untrained adapter for embeddings of this size into ``model``."""
    width = model.config.cross_attention_dim
    state = {"image_proj": _projection(embedding_size, width), "ip_adapter": _layers(model)}
    model._load_ip_adapter_weights([state])  # noqa: SLF001  # what load_ip_adapter calls


def tensors(model: Any) -> dict[str, Tensor]:  # noqa: ANN401  # a UNet2DConditionModel
    """The adapter in ``model`` as its file holds it, in half precision."""
    projection = model.encoder_hid_proj.image_projection_layers[0]
    stored = {f"image_proj.proj.{k}": v for k, v in projection.image_embeds.state_dict().items()}
    stored |= {f"image_proj.norm.{k}": v for k, v in projection.norm.state_dict().items()}
    for place, attention in enumerate(_crossings(model)):
        for kind in ("to_k_ip", "to_v_ip"):
            weight = getattr(attention.processor, kind)[0].weight
            stored[f"ip_adapter.{2 * place + 1}.{kind}.weight"] = weight
    return {k: v.detach().half().contiguous() for k, v in stored.items()}


def _projection(embedding_size: int, width: int) -> dict[str, Tensor]:
    linear, norm = nn.Linear(embedding_size, N_IMAGE_TOKENS * width), nn.LayerNorm(width)
    named = {"proj": linear.state_dict(), "norm": norm.state_dict()}
    return {f"{part}.{k}": v for part, state in named.items() for k, v in state.items()}


def _crossings(model: Any) -> list[Any]:  # noqa: ANN401  # a UNet2DConditionModel
    names = [name.removesuffix(".processor") for name in model.attn_processors]
    return [model.get_submodule(name) for name in names if name.endswith("attn2")]


def _layers(model: Any) -> dict[str, Tensor]:  # noqa: ANN401  # a UNet2DConditionModel
    """Keys and values start as those of the words, as the authors' training does."""
    weights = {}
    for place, attention in enumerate(_crossings(model)):
        for kind in ("to_k", "to_v"):
            weight = getattr(attention, kind).weight.detach().clone()
            weights[f"{2 * place + 1}.{kind}_ip.weight"] = weight
    return weights
