"""What the tensors of LoRA files are called, and which layer of diffusers' UNet each changes.

Five families are in use: kohya (``lora_unet_down_blocks_0_..._to_q.lora_down.weight``), the same
with the blocks of the original models (``input_blocks_4_1_...``, comfy writes them with dots),
peft (``base_model.model...lora_A.weight``), diffusers (``unet....lora_A.weight``) and its older
form (``....processor.to_q_lora.down.weight``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from persongen_bench.core.errors import DataError

Part = Literal["down", "up", "alpha"]

_OLD = r"(?:[._]lora|\.lora_linear_layer)"
_PARTS: tuple[tuple[str, Part], ...] = (
    (rf"(?:\.lora_down|\.lora_A(?:\.[^.]+)?|{_OLD}\.down)\.weight", "down"),
    (rf"(?:\.lora_up|\.lora_B(?:\.[^.]+)?|{_OLD}\.up)\.weight", "up"),
    (rf"(?:{_OLD}\.down\.weight)?\.alpha", "alpha"),
)
_ENDS = tuple((re.compile(f"^(.+?){end}$"), part) for end, part in _PARTS)
OTHER_KINDS = {
    r"\.dora_scale|lora_magnitude_vector": "DoRA", r"\.hada_": "LoHa", r"\.lokr_": "LoKr",
    r"\.lora_mid": "LoCon with a Tucker core", r"\.oft_": "OFT", r"\.[abc][12]\.weight$": "GLoRA",
    r"\.on_input$": "IA3", r"\.(diff|diff_b)$": "full differences", r"\.w_norm$": "norm changes",
    r"lora_(B|up).*\.bias$": "LoRA with biases", r"^bundle_emb|^words\.|^emb_params": "new words",
}  # fmt: skip
"""What stands in a tensor's name (a regular expression) => what it belongs to."""
_TEXT = re.compile(
    r"^(?:lora_te\d?_|text_encoder|text_encoders\.|te\d?_|te\d?\.|clip_[lg]\.|conditioner\."
    r"|(?:base_model\.model\.)?text_model\.|lora_prior_te_)"
)
_FOREIGN = re.compile(
    r"double_blocks|single_blocks|joint_blocks|single_transformer_blocks"
    r"|^transformer\.|^lora_transformer_|(?:^|[._])(?:layers|(?<!transformer_)blocks)[._]\d+[._](?:attn|self_attn)"
)
_HEADS = re.compile(
    r"^(?:lora_unet_|lycoris_unet_|lycoris_|base_model\.model\.unet\.|base_model\.model\."
    r"|model\.diffusion_model\.|diffusion_model\.|unet\.)"
)
_WORDS = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "to_q", "to_k", "to_v", "to_out",
    "proj_in", "proj_out", "time_emb_proj", "conv_shortcut", "conv_in", "conv_out",
    "time_embedding", "add_embedding", "linear_1", "linear_2",
)  # fmt: skip
_TOKENS = re.compile("|".join((*_WORDS, "[^_]+")))
_ORIGINAL = {
    "time_embed_0": "time_embedding_linear_1", "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1", "label_emb_0_2": "add_embedding_linear_2",
    "input_blocks_0_0": "conv_in", "out_2": "conv_out",
}  # fmt: skip
_RESNET = {
    "in_layers_2": "conv1", "out_layers_3": "conv2", "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}  # fmt: skip
_BLOCK = re.compile(r"^(input_blocks|output_blocks)_(\d+)_(\d+)_(.+)$")
_MIDDLE = re.compile(r"^middle_block_([012])_(.+)$")


@dataclass(frozen=True)
class Key:
    """A tensor's name, understood."""

    path: str
    """Module of diffusers' UNet; of a text encoder the name as it is."""
    part: Part
    text_encoder: bool = False


def understand(name: str, layers_per_block: int = 2) -> Key:
    """Which layer and which factor a tensor is; raises `DataError` naming what is not a LoRA.

    ``layers_per_block`` is the UNet's (2 in all published ones); the original block numbers of
    SDXL files are counted with it.
    """
    if _TEXT.match(name):
        return Key(name, "alpha" if name.endswith(".alpha") else "down", text_encoder=True)
    kind = next((kind for mark, kind in OTHER_KINDS.items() if re.search(mark, name)), None)
    if kind is not None:
        raise DataError(
            f"{name!r} belongs to {kind}, which is no plain LoRA",
            fix="Extract a LoRA from it (up and down matrices) where it was trained.",
        )
    for end, part in _ENDS:
        if match := end.match(name):
            return Key(module_path(match[1], layers_per_block), part)
    raise DataError(
        f"{name!r} is no tensor of a LoRA", fix="Expected ....lora_A.weight, ....lora_down.weight."
    )


def module_path(text: str, layers_per_block: int = 2) -> str:
    """Path of a layer of diffusers' UNet from its name in a file, prefix and all."""
    if _FOREIGN.search(text):
        raise DataError(
            f"{text!r} is a layer of a transformer such as FLUX or SD3",
            fix="Use a LoRA of Stable Diffusion 1.5 or XL.",
        )
    flat = _HEADS.sub("", text).replace(".", "_").replace("_processor_", "_")
    flat = _diffusers_name(flat, layers_per_block)
    path = ".".join(_TOKENS.findall(flat))
    return f"{path}.0" if path.endswith(".to_out") else path


def _diffusers_name(flat: str, n: int) -> str:
    """Names of the original models' blocks to those of diffusers, underscores for dots."""
    if flat in _ORIGINAL:
        return _ORIGINAL[flat]
    if middle := _MIDDLE.match(flat):
        place, rest = int(middle[1]), middle[2]
        inner = "attentions_0" if place == 1 else f"resnets_{place // 2}"
        return f"mid_block_{inner}_{_RESNET.get(rest, rest)}"
    block = _BLOCK.match(flat)
    if block is None:
        return flat
    side, k, inner_place, rest = block[1], int(block[2]), int(block[3]), block[4]
    k, side = (k - 1, "down_blocks") if side == "input_blocks" else (k, "up_blocks")
    head = f"{side}_{k // (n + 1)}"
    if rest == "op":
        return f"{head}_downsamplers_0_conv"
    if rest == "conv":
        return f"{head}_upsamplers_0_conv"
    inner = "resnets" if inner_place == 0 else "attentions"
    return f"{head}_{inner}_{k % (n + 1)}_{_RESNET.get(rest, rest)}"
